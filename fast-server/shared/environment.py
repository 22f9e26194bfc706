"""Settings from the environment, and a sentence for each that is wrong."""

import os
import sys
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from shared import secrets

AnySettings = TypeVar("AnySettings", bound=BaseSettings)
PositiveNumber = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


def load(settings: type[AnySettings]) -> AnySettings:
    """Read the settings. Raises SystemExit, which names each wrong variable."""
    if (encoding := sys.getfilesystemencoding()) != "utf-8":
        raise SystemExit(
            f"LC_ALL, LC_CTYPE or LANG sets file names to {encoding}, which cannot write the names "
            "of all languages: set PYTHONUTF8=1."
        )
    try:
        loaded = settings()
    except ValidationError as error:
        raise SystemExit("\n".join(_sentence(problem) for problem in error.errors())) from None
    secrets.learn(*(str(value) for _, value in loaded if "://" in str(value)))
    return loaded


def unusable(variable: str, path: Path, error: OSError) -> str:
    """A sentence about a setting's folder or file that cannot be used."""
    told = f"{variable}={path}: {error.strerror}"
    if not isinstance(error, PermissionError):
        return told
    uid = os.getuid()
    to_do = f"chown {uid} that folder, or in a container the one that is mounted there"
    return f"{told}. This service runs as uid {uid}: {to_do}."


def _sentence(problem: ErrorDetails) -> str:
    name, value = str(problem["loc"][0]).upper(), str(problem["input"])
    what = problem["msg"].removeprefix("Value error, ")
    if secrets.may_hold_one(value):  # pydantic may quote it
        return f"{name} is no address that can be used: it is not shown, it may hold a password."
    return f"{name}={value}: {what}"
