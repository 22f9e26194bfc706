"""The HTTP API but for its routes: settings, refusals, queues, documentation.

Imports shared.
"""
