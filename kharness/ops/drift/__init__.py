"""Scan production containers for drift, save evidence, and respond."""
