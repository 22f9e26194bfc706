"""Settings out of the environment, and a plain sentence for each that is wrong."""

import re
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def load(settings: type[AnySettings]) -> AnySettings:
    """Build the settings. Raises SystemExit that names each variable that is wrong."""
    try:
        return settings()
    except ValidationError as error:
        raise SystemExit("\n".join(_sentence(problem) for problem in error.errors())) from None


def _sentence(problem: ErrorDetails) -> str:
    value = re.sub("//.*@", "//***@", str(problem["input"]))  # no password into the log
    what = problem["msg"].removeprefix("Value error, ")  # pydantic's words, not ours
    return f"{str(problem['loc'][0]).upper()}={value}: {what}"
