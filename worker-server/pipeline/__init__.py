"""A media's way through the two stages: attempts, the logo, the delivery to central.

Imports watermark, formats, drawing, settings, runtime, errors and shared.
"""
