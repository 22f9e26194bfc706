"""The logo onto pixels of any kind: where it goes, and in whose colours. Knows no file format.

Imports options and errors.
"""
