"""A test session: its modes, its networks, readiness, and the proof that production is untouched."""
