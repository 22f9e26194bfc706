"""What several formats encode with: Pillow's encoders, libvips, OUTPUT_QUALITY on their scales."""
