"""Requests about an accepted media: its status, its retry, its deletion.

Imports ingest, upload_api and shared.
"""
