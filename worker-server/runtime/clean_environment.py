"""Removes the worker's settings from the environment, which its decoder processes inherit."""

import os
from fnmatch import fnmatchcase

_KEPT = (
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*", "PYTHON*", "VIRTUAL_ENV"),
    *("MALLOC_*", "PILLOW_*", "VIPS_*"),
    *("LD_*", "*FAKE*"),  # the dynamic loader's, and those of libfaketime, which it may load
)


def forget_the_rest() -> None:
    """Delete every variable that _KEPT does not name.

    So a decoder that is taken over finds no addresses, passwords and keys.
    """
    for name in list(os.environ):
        if not any(fnmatchcase(name, kept) for kept in _KEPT):
            del os.environ[name]
