"""Releases: promotion, launch, roll-back, recovery, verification in production."""
