"""A test session: networks, instances, readiness, the proof that production is untouched, reaping."""
