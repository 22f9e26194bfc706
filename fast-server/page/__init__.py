"""The page that people see: its files, which a browser runs, and how they are served.

Imports upload_api.
"""
