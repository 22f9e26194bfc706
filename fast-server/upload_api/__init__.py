"""All of the HTTP API but its routes: settings, refusals, queues, documentation.

Imports shared.
"""
