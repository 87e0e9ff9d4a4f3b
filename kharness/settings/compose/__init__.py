"""Compose projects: reading a Compose file by its specification, and what its services are to kharness."""
