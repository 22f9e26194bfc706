"""A media's way through the two stages: attempts, the logo, the delivery to central; its previews.

Imports preview, watermark, formats, drawing, settings, runtime, errors and shared.
"""
