"""What is remembered between sessions, in one database per engine."""
