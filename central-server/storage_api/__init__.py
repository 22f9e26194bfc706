"""All of the HTTP API but its routes: settings, refusals, documentation, answers.

Imports shared.
"""
