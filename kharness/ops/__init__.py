"""Use cases: they sequence plans and effects."""
