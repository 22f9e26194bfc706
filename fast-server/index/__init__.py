"""The index of all media. It may be deleted at any time: the folders stay the truth.

Imports shared.
"""
