"""What a container changed of its image's files, and what is remembered of it."""
