"""Images: built, looked into, compared, pruned."""
