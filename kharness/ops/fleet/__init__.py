"""Many containers at once: groups, status, and the check that all are up."""
