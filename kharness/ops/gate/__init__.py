"""What a verdict stands on."""
