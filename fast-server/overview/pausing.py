"""POST /pause and POST /resume: one at a time, since the file of the pause has no lock."""

from pathlib import Path
from threading import Lock

from overview.answers import PauseState
from shared import console, pause

_changing = Lock()


def begin(root: Path) -> PauseState:
    """Raises OSError."""
    with _changing:
        pause.begin(root)
    console.event(console.NOTICE, detail="paused: workers take no more until POST /resume")
    return _state(root)


def end(root: Path) -> PauseState:
    """Raises OSError."""
    with _changing:
        pause.end(root)
    console.event(console.NOTICE, detail="resumed: workers take jobs again")
    return _state(root)


def _state(root: Path) -> PauseState:
    since = pause.since(root)
    return PauseState(paused=since is not None, since=since or None)
