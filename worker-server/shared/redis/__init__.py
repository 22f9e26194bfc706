"""What gateway and workers have in Redis: jobs, events, the workers' reports.

Imports shared.
"""
