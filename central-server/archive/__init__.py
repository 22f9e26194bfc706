"""The images and the log: stored once, deleted, remembered, taken up after a crash.

Imports storage_api and shared.
"""
