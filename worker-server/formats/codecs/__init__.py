"""What several formats have in common: Pillow's encoders, libvips, OUTPUT_QUALITY, ISO boxes."""
