"""Volumes: prepared, copied, mapped to other ids, snapshotted, backed up."""
