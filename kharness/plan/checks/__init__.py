"""Hardening checks, grouped by the evidence that they look at."""
