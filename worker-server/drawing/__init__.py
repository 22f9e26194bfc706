"""The logo on pixels of any kind: its place, its size and its colours. Knows no file format.

Imports options and errors.
"""
