"""The environment is for the worker: its child processes inherit next to nothing of it."""

import os
from fnmatch import fnmatchcase

_KEPT = (
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*", "PYTHON*", "VIRTUAL_ENV"),
    *("MALLOC_*", "PILLOW_*", "VIPS_*"),
    *("LD_*", "*FAKE*"),  # the dynamic loader's, and of libfaketime, which the loader may bring
)


def forget_the_rest() -> None:
    """Addresses, passwords and keys among it: a decoder that is taken over finds none."""
    for name in list(os.environ):
        if not any(fnmatchcase(name, kept) for kept in _KEPT):
            del os.environ[name]
