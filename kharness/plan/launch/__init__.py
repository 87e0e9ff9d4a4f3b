"""From settings to the container that is launched, and how one that runs differs from that."""
