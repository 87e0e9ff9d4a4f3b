"""Gather the evidence about a container, and judge it by its checks."""
