"""Expectations of a running container with a time limit, for the fixture `expect` and for `expect:` in settings."""
