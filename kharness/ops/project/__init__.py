"""A project's containers: whose they are, which there are, and how one is renamed or retired."""
