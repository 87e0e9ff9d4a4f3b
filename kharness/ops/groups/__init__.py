"""What is done with many containers: one file a group of them, and what is done with it."""
