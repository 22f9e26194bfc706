"""What no job leads to: media without a job, jobs without a worker, files past their time.

Imports pipeline, settings, errors and shared.
"""
