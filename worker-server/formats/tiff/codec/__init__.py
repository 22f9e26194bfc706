"""Strips and tiles of a TIFF: compressed bytes to samples and back.

Knows nothing of files, pages and tags.
"""
