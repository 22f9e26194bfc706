"""The stack as processes of this machine, for `make run` and for tests."""
