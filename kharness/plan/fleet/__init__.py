"""Many containers: their order and waves, and their status."""
