"""A multipart/form-data body read part by part as it arrives, nothing spooled."""

import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of what it also raises

_MAX_PARTS = 100  # each costs time, however small it is
Chunk = bytes | memoryview


class FormError(ValueError):
    """The body is not well-formed multipart/form-data (RFC 7578)."""


class NotMultipart(FormError):
    """The request's Content-Type is not multipart/form-data with a boundary."""


@dataclass(frozen=True)
class Part:
    """A part's header. filename is None for a plain field."""

    name: str
    filename: str | None


class FormStream:
    """Iterate for the parts; within one, iterate data() for its bytes.

    Both raise FormError. What is not read of a part is skipped by the next one.
    """

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise NotMultipart("Send multipart/form-data, as curl -F does.")
        self._body = body
        self._events: deque[Part | Chunk | None] = deque()  # None ends a part
        self._complete = False
        self._parts = 0
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
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
            if isinstance(event, Part):
                yield event
        if not self._complete:
            raise FormError("The body ended before the form's closing boundary.")

    async def data(self) -> AsyncIterator[Chunk]:
        """The bytes of the current part, in the pieces the network brought."""
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
        return _decode(value)

    async def _more(self) -> bool:
        """Read the body on until an event is there; False at its end."""
        while not self._events:
            try:
                chunk = await anext(self._body)
            except StopAsyncIteration:
                return False
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise FormError(f"The form is malformed: {error}") from error
        return True

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise FormParserError(f"it has more than {_MAX_PARTS} parts")
        self._disposition = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise FormParserError("a part has no name in its Content-Disposition")
        filename = options.get(b"filename")
        self._events.append(
            Part(_decode(options[b"name"]), None if filename is None else _decode(filename))
        )

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        # Nearly all of data in a large upload, which is not to be copied once more.
        self._events.append(memoryview(data)[start:end])

    def _on_end(self) -> None:
        self._complete = True


def _decode(value: bytes) -> str:
    """UTF-8, which browsers and curl send, else latin-1, which takes any byte."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
