"""What a person should know about this host before trusting it with containers: a part of it a file."""
