"""The images and the log: storing once, deleting, expiry, recovery after a crash.

Imports storage_api and shared.
"""
