"""Build contexts, bases, and what is in the layers of an image."""
