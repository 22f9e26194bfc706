"""A batch: what has become of it, and its images in one ZIP.

Imports images, index, media, upload_api and shared.
"""
