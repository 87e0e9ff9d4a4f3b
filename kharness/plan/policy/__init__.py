"""The checks of a container, a file each: pure decisions about evidence that others gathered."""
