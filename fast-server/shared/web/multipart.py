"""A multipart/form-data body, read part by part as it arrives, without spooling."""

import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from shared.web import disposition
from shared.web.problems import Problem, ProblemType
from shared.web.refusals import MALFORMED_FORM, NOT_MULTIPART

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # its warnings repeat its exceptions

MAX_PARTS = 100  # each costs time, however small it is
_IDENTITY = ("", "7bit", "8bit", "binary")
Chunk = bytes | memoryview


class FormError(Problem):
    """The request is not well-formed multipart/form-data (RFC 7578)."""

    def __init__(self, detail: str, kind: ProblemType = MALFORMED_FORM) -> None:
        super().__init__(kind, detail)


@dataclass(frozen=True)
class Part:
    """A part's header. filename is None for a plain field."""

    name: str
    filename: str | None
    content_type: str = ""
    transfer_encoding: str = ""


class FormStream:
    """Iterate over the parts, and over data() for the bytes of the current one.

    Both raise FormError. The next part skips what was not read of the last. Text before the first
    boundary (RFC 2046, 5.1.1) is skipped too, and so is a file input that was left empty.
    """

    def __init__(
        self, content_type: str, body: AsyncIterator[bytes], max_parts: int = MAX_PARTS
    ) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data":
            raise FormError(NOT_MULTIPART.sentence, NOT_MULTIPART)
        if not boundary:
            raise FormError(
                "Content-Type has no boundary. Do not set it yourself: let FormData, axios or "
                "requests do so.",
                NOT_MULTIPART,
            )
        self._part = Part("", None)
        self._delimiter = b"\r\n--" + boundary
        self._preamble: bytes | None = b"\r\n"  # None after the first boundary
        self._body = body
        self._events: deque[Part | Chunk | None] = deque()  # None ends a part
        self._complete = False
        self._parts, self._max_parts = 0, max_parts
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[bytes, bytes] = {}  # of the current part, in the order they came
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": lambda: self._events.append(None),
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise FormError(str(error)) from error

    async def __aiter__(self) -> AsyncIterator[Part]:
        while await self._more():
            event = self._events.popleft()
            if isinstance(event, Part) and not await self._is_empty_input(event):
                self._part = event
                yield event
        if self._preamble is not None and len(self._preamble) > 2:
            line = self._delimiter[2:].decode("latin-1")
            raise FormError(f"No line of the body is {line}, as Content-Type says.")
        if not self._complete:
            raise FormError("The body ended before the form's closing boundary.")

    async def data(self) -> AsyncIterator[Chunk]:
        """The bytes of the current part, in pieces as they arrive."""
        encoding = self._part.transfer_encoding
        if encoding not in _IDENTITY:
            raise FormError(
                f"The field {self._part.name} has Content-Transfer-Encoding: {encoding[:40]}. "
                "Send its bytes as they are (RFC 7578, 4.7)."
            )
        while await self._more():
            event = self._events.popleft()
            if event is None:
                return
            if isinstance(event, Chunk):
                yield event
        raise FormError("The body ended in the middle of a part.")

    async def text(self, max_bytes: int) -> str:
        """The current part as UTF-8 text."""
        value = b""
        async for chunk in self.data():
            value += chunk
            if len(value) > max_bytes:
                raise FormError(f"A text field is longer than {max_bytes} bytes.")
        return disposition.decoded(value)

    async def _is_empty_input(self, part: Part) -> bool:
        """Whether it is a file input without a chosen file, as browsers send it."""
        return part.filename == "" and await self._more() and self._events[0] is None

    async def _more(self) -> bool:
        """Read on until there is an event; False at the end of the body."""
        while not self._events:
            try:
                chunk = await anext(self._body)
            except StopAsyncIteration:
                return False
            try:
                self._parser.write(self._from_first_boundary(chunk))
            except FormParserError as error:
                raise FormError(f"The form is malformed: {error}") from error
        return True

    def _from_first_boundary(self, chunk: bytes) -> bytes:
        if self._preamble is None:
            return chunk
        read = self._preamble + chunk
        at = read.find(self._delimiter)
        self._preamble = None if at >= 0 else read[-len(self._delimiter) :]
        return read[at + 2 :] if at >= 0 else b""

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise FormParserError(f"it has more than {self._max_parts} parts")
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        name, filename = disposition.parse(
            self._headers.get(b"content-disposition", b""),
            follows_content_type=next(iter(self._headers), b"") == b"content-type",
        )
        if name is None:
            raise FormParserError("a part has no name in its Content-Disposition")
        others = (b"content-type", b"content-transfer-encoding")
        said = (self._headers.get(h, b"").strip().lower().decode("latin-1") for h in others)
        self._events.append(Part(name, filename, *said))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        # A view: in a large upload this is nearly all of data, and a copy would cost.
        self._events.append(memoryview(data)[start:end])

    def _on_end(self) -> None:
        self._complete = True
