"""Values as text for people: what is said is decided here, where it is printed elsewhere."""
