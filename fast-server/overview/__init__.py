"""What goes on, for people and programs: GET /stats, the pause, and central's log.

Imports index, live, media, upload_api and shared.
"""
