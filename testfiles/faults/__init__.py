"""What `make chaos` does to a running stack, and how it finds out what was lost."""
