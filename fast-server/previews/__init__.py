"""Previews: from the cache in the uploads volume, or made by a worker while the client waits.

Imports images, upload_api and shared.
"""
