"""Child processes for pixels, time limits, limits of the container.

Imports errors and shared.
"""
