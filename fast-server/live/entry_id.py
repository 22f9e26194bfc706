"""The id of an entry of the events' stream. Ids grow."""

import re
from typing import NamedTuple

PATTERN = "[0-9]{1,20}-[0-9]{1,20}"


class EntryId(NamedTuple):
    ms: int
    number: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"

    @classmethod
    def of(cls, text: str | bytes) -> "EntryId":
        """text is one."""
        ms, _, number = (text.decode() if isinstance(text, bytes) else text).partition("-")
        return cls(int(ms), int(number))


BEFORE_ALL = EntryId(0, 0)


def is_entry_id(text: str) -> bool:
    return re.fullmatch(PATTERN, text) is not None
