"""Directory trees: prepared, copied, compared, snapshotted, removed."""
