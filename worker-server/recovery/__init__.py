"""Finds media without a job, jobs without a worker, and files past their time.

Imports pipeline, settings, errors and shared.
"""
