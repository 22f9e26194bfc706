"""JPEG: only the blocks under the logo become pixels and are coded again."""
