"""The files of a media, as people look at them: the stored image, the original.

Imports media, upload_api and shared.
"""
