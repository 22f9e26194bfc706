"""Live events: one reader of Redis, and the open streams of GET /events that it feeds.

Imports index, upload_api and shared.
"""
