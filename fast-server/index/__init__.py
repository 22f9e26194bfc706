"""The index: which media there are, for lists and counts. A cache of the folders in SQLite.

Imports upload_api and shared.
"""
