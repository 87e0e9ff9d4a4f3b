"""The engine: the Protocol of its calls, and its implementation over the Docker SDK."""
