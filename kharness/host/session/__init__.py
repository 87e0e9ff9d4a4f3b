"""What a test session needs of this host: an owner, a firewall, overlays, baselines."""
