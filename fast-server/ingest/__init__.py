"""Receiving an upload: streamed to the disk, checked, committed, answered.

Imports upload_api and shared.
"""
