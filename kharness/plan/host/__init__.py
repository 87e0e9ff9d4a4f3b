"""The machine: systemd units, ports and processes."""
