"""A process for the work on each of many containers."""
