"""Effects on this host: its file system, its firewall, its processes."""
