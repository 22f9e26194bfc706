"""Opens the storage folder and the log, and checks whether they can still be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archive.activity_log import ActivityLog
from archive.archive import Archive
from shared import console, environment
from shared.web import connection
from storage_api.settings import Settings


class Unusable(Exception):
    """A path from the settings cannot be used. The text names the setting and the path."""


def open_archive(settings: Settings) -> tuple[Archive, ActivityLog]:
    """Raises Unusable."""
    log = ActivityLog(settings.activity_log)
    archive = Archive(settings.storage_dir, log)
    with _named("ACTIVITY_LOG", settings.activity_log):
        log.prepare()
    with _named("STORAGE_DIR", settings.storage_dir):
        archive.open()
    storage, path = settings.storage_dir.resolve(), log.path.resolve()
    most = connection.max_connections()
    console.event(
        console.READY, service="central-server", storage=storage, log=path, connections=most
    )
    return archive, log


def check(settings: Settings, archive: Archive, log: ActivityLog) -> None:
    """Raises Unusable."""
    with _named("STORAGE_DIR", settings.storage_dir):
        archive.check()
    with _named("ACTIVITY_LOG", settings.activity_log):
        log.check()


@contextmanager
def _named(variable: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unusable(environment.unusable(variable, path, error)) from error
