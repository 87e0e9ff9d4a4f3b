"""The pytest plugin: thin hooks that call use cases."""
