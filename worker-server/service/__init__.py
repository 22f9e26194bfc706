"""The worker process: two arq queues on one event loop, its health, its name.

Imports recovery, pipeline, formats, settings, runtime and shared.
"""
