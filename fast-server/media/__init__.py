"""What becomes of a media once it is accepted: its status, its retry, its deletion.

Imports ingest, upload_api and shared.
"""
