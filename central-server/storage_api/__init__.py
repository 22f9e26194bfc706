"""The HTTP API but for its routes: settings, refusals, documentation, answers to a GET.

Imports shared.
"""
