"""Since when something is as it is, as far as this process has noticed."""

from shared import clock
from shared.contract import timestamp


class Noticed:
    def __init__(self) -> None:
        self._known: dict[str, tuple[object, str]] = {}

    def since(self, what: str, state: object) -> str:
        """Since when it is in this state, in RFC 3339. Now, where it was in another before."""
        known, since = self._known.get(what, (None, ""))
        if not since or known != state:
            since = timestamp(clock.now())
        self._known[what] = state, since
        return since
