"""Images: their tags, the order of their builds, what hardening did, and how two of them differ."""
