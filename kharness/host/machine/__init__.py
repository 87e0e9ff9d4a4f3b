"""The machine: mounts, networks, systemd, other programs."""
