"""Requests about an accepted media: its status, its retry, its deletion.

Imports ingest, index, upload_api and shared.
"""
