"""What both rooms above need of the service: settings, refusals, queues, documentation.

Imports shared.
"""
