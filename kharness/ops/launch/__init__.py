"""What a launch is made of: settings, secrets, volumes, and how a running container differs from it."""
