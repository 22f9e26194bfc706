"""Strips and tiles of a TIFF: compressed bytes to samples and back. Pages are not known here."""
