"""What `make bench` measures, a part a module, beside plain endpoints and Pillow alone."""
