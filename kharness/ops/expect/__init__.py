"""Expectations of a running container with a time limit: for the fixture `expect`, and for what settings declare."""
