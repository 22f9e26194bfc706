"""EXIF, XMP and IPTC as blocks of bytes, and what METADATA leaves of them.

Imports options.
"""
