"""What the services share. fast-server/shared is the original: edit there, then `make shared`.

Imports the standard library, third parties and itself.
"""
