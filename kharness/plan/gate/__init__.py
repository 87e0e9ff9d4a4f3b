"""The gate: from outcomes to reasons, and the result of a session."""
