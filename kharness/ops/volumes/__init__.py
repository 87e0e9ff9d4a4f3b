"""Volumes: prepared, copied, frozen, snapshotted, backed up, restored."""
