"""An upload on its way in: streamed to the disk, checked, committed, answered.

Imports upload_api and shared.
"""
