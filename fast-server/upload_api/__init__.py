"""All of the HTTP API but its routes: settings, refusals, queues, formats, documentation.

Imports shared.
"""
