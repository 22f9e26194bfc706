"""What the routes need of the service: settings, refusals, documentation, answers to a GET.

Imports shared.
"""
