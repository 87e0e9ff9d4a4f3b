"""Read the upper directory of a container's overlay, and save it as evidence."""
