"""JPEG: only the blocks under the logo are decoded to pixels and encoded again."""
