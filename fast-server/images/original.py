"""GET /media/{media_id}/original: the file as it was uploaded."""

from contextlib import suppress

from shared import durable
from shared.records import read_record
from shared.spool import Spool
from shared.web.opened_file import OpenedFile
from shared.web.problems import Problem
from upload_api.refusals import ORIGINAL_MISSING

_LOOKS = 2


def opened(spool: Spool, media_id: str, *, is_attachment: bool) -> OpenedFile:
    """The original, open. Raises MediaGone, Problem where it is not there any more, OSError."""
    for _ in range(_LOOKS):  # its folder may move between two steps
        path = spool.find(media_id)
        record = read_record(path)
        with suppress(FileNotFoundError, IsADirectoryError):
            file = durable.reading(path / record["filename"])
            return OpenedFile(
                file, record["content_type"], record["filename"], is_attachment=is_attachment
            )
    raise Problem(ORIGINAL_MISSING, media_id=media_id)
