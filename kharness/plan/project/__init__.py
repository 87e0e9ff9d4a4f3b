"""What belongs to a project: labels, and what is listed, renamed and retired of it."""
