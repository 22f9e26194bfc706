"""The image formats, a package or a module each; registry.py lists them.

Imports drawing, metadata, options, errors and shared.
"""
