"""The machine: child processes for pixels, time limits, memory. Knows nothing of images.

Imports errors.
"""
