"""Where production runs: this engine now, a cluster later."""
