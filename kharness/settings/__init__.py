"""Settings: what a container directory and this host say, as frozen models. Nothing is imported here on purpose."""
