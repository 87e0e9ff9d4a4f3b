"""Releases: the journaled operation, anonymous volumes that are carried over, verification in production."""
