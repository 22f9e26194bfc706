"""OUTPUT_FORMAT: any image as JPEG, WebP, AVIF or PNG."""
