"""The machine: child processes for pixels, time limits, memory.

Imports errors.
"""
