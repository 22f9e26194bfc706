"""Forms read as they arrive: whatever the network makes of a body, its parts are the same."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

import pytest
from hypothesis import given, settings, strategies

from shared.web.multipart import FormError, FormStream
from shared.web.refusals import MALFORMED_FORM, NOT_MULTIPART
from support.fast import FORM_TYPE

TRICKY = b"\r\n--\r\n--y\r\n-\r\r\n\n--x\r--x--\x00\xff\r"  # all but the boundary itself
PARTS = [("worker_name", None, b"worker-1"), ("file", "a b.jpg", TRICKY), ("last", None, b"")]
BODY = (
    b'--x\r\nContent-Disposition: form-data; name="worker_name"\r\n\r\nworker-1\r\n'
    b'--x\r\nContent-Type: image/jpeg\r\ncontent-disposition:form-data; name="file"; '
    b'filename="a b.jpg"\r\n\r\n' + TRICKY + b"\r\n"
    b"--x\r\nContent-Disposition: form-data; name=last\r\n\r\n\r\n--x--\r\n"
)

Parts = list[tuple[str, str | None, bytes]]


async def body_of(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def read(*chunks: bytes, content_type: str = FORM_TYPE) -> Parts:
    async def all_parts() -> Parts:
        form = FormStream(content_type, body_of(chunks))
        return [
            (part.name, part.filename, b"".join([chunk async for chunk in form.data()]))
            async for part in form
        ]

    return asyncio.run(all_parts())


def part(disposition: bytes, content: bytes = b"") -> bytes:
    return b"--x\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + content + b"\r\n--x--"


def test_a_whole_body_gives_its_parts() -> None:
    assert read(BODY) == PARTS


def test_a_body_that_comes_byte_by_byte_gives_the_same_parts() -> None:
    assert read(*(BODY[at : at + 1] for at in range(len(BODY)))) == PARTS


def test_a_body_split_in_two_anywhere_gives_the_same_parts() -> None:
    splits = range(len(BODY) + 1)
    assert [at for at in splits if read(BODY[:at], BODY[at:]) != PARTS] == []


@given(strategies.lists(strategies.integers(0, len(BODY)), max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_body_in_any_pieces_gives_the_same_parts(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(BODY)]
    assert read(*map(BODY.__getitem__, map(slice, edges, edges[1:]))) == PARTS


@given(strategies.binary(max_size=200), strategies.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_a_files_bytes_come_through_as_they_are(content: bytes, size: int) -> None:
    boundary = b"a boundary that is in no content"
    content_type = f'multipart/form-data; boundary="{boundary.decode()}"'
    body = part(b'form-data; name="file"; filename="f"', content)
    body = body.replace(b"--x\r\n", b"--" + boundary + b"\r\n", 1)
    body = body.removesuffix(b"--x--") + b"--" + boundary + b"--"
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    assert read(*chunks, content_type=content_type) == [("file", "f", content)]


def test_what_is_not_read_of_a_part_is_skipped() -> None:
    async def names() -> list[str]:
        form = FormStream(FORM_TYPE, body_of(BODY[at : at + 7] for at in range(0, 999, 7)))
        return [part.name async for part in form]

    assert asyncio.run(names()) == ["worker_name", "file", "last"]


@pytest.mark.parametrize("preamble", [b"", b"\r\n\r\n", b"This is a form.\r\n", b"--y --x\r\n"])
def test_whatever_stands_before_and_behind_the_form_is_ignored(preamble: bytes) -> None:
    body = preamble + BODY + b"an epilogue\r\n--x\r\nof any kind"
    assert read(body) == PARTS
    assert read(*(body[at : at + 1] for at in range(len(body)))) == PARTS


def test_a_body_without_the_boundary_that_was_named_says_which() -> None:
    with pytest.raises(FormError, match="No line of the body is --x, as Content-Type says"):
        read(BODY.replace(b"--x", b"--z"))


def test_a_file_input_without_a_file_is_no_part() -> None:
    unfilled = b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n'
    nameless = unfilled[:-2] + b"bytes\r\n"
    assert read(unfilled + unfilled + BODY) == PARTS
    assert read(nameless + BODY) == [("file", "", b"bytes"), *PARTS]


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "BINARY", ""])
def test_a_transfer_encoding_that_changes_nothing_is_taken(encoding: str) -> None:
    assert read(encoded(encoding)) == [("file", "f", b"bytes")]


@pytest.mark.parametrize("encoding", ["base64", "Quoted-Printable", "x-uuencode"])
def test_any_other_transfer_encoding_is_named(encoding: str) -> None:
    said = f"The field file has Content-Transfer-Encoding: {encoding.lower()}\\. Send its bytes"
    with pytest.raises(FormError, match=said):
        read(encoded(encoding))


def encoded(encoding: str) -> bytes:
    header = f'form-data; name="file"; filename="f"\r\nContent-Transfer-Encoding: {encoding}'
    return part(header.encode(), b"bytes")


def test_the_whole_body_is_read_before_the_parts_end() -> None:
    chunks = iter([BODY, b"epilogue", b"more of it"])
    asyncio.run(anext_to_the_end(FormStream(FORM_TYPE, body_of(chunks))))
    assert list(chunks) == []


async def anext_to_the_end(form: FormStream) -> None:
    async for _ in form:
        pass


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        (b'form-data; name="file"', None),
        (b'form-data; name="file"; filename=""', ""),
        ('form-data; name="file"; filename="صورة.jpg"'.encode(), "صورة.jpg"),
        (b'form-data; name="file"; filename="\xe9.jpg"', "\xe9.jpg"),
        (b'form-data; name="file"; filename="a\\"b;c.jpg"', 'a"b;c.jpg'),
        (b'form-data; filename="a.jpg"; name="file"', "a.jpg"),
        (b"form-data; name=file; filename*=utf-8''%E6%97%A5.jpg", "日.jpg"),
        (b"form-data; name=file; filename*=iso-8859-1'de'%E4.jpg", "ä.jpg"),
        (b'form-data; name="file"; filename="__.jpg"; filename*=UTF-8\'\'%E6%97%A5.jpg', "日.jpg"),
        (b'form-data; name="file"; FILENAME*=UTF-8\'\'%E6%97%A5.jpg; filename="_"', "日.jpg"),
        (b"form-data; name=file; filename*0*=utf-8''%E6%97; filename*1*=%A5.jpg", "日.jpg"),
        (b'form-data; name=file; filename="=?utf-8?B?5pelLmpwZw==?="', "日.jpg"),
        (b'form-data; name=file; filename="=?UTF-8?Q?=E6=97=A5_1.jpg?="', "日 1.jpg"),
        (
            b"form-data; name=file; filename=\"=?utf-8?B?Xw==?=\"; filename*=utf-8''%E6%97%A5.jpg",
            "日.jpg",
        ),
        (
            b'form-data; name=file; filename="=?nonsense?B?5pelLmpwZw==?="',
            "=?nonsense?B?5pelLmpwZw==?=",
        ),
        (b'form-data; name="file"; filename="%E6%97%A5%201.jpg"', "日 1.jpg"),
        (b'form-data; name="file"; filename="a%20b.jpg"', "a%20b.jpg"),
        (b'form-data; name="file"; filename="100%.jpg"', "100%.jpg"),
        (b'form-data; name="file"; filename="a%22b c.jpg"', 'a"b c.jpg'),
    ],
)
def test_a_file_name_is_read_as_clients_write_it(disposition: bytes, filename: str | None) -> None:
    assert read(part(disposition, b"bytes")) == [("file", filename, b"bytes")]


def test_aiohttp_percent_encodes_the_whole_name_behind_its_content_type() -> None:
    of_aiohttp = (
        b'--x\r\nContent-Type: image/jpeg\r\nContent-Disposition: form-data; name="file"; '
        b'filename="my%20photo%20%2B%20%E6%97%A5.jpg"\r\n\r\nbytes\r\n'
    )
    ascii_alone = of_aiohttp.replace(b"%E6%97%A5", b"")
    assert read(of_aiohttp + ascii_alone + b"--x--") == [
        ("file", "my photo + 日.jpg", b"bytes"),
        ("file", "my photo + .jpg", b"bytes"),
    ]


@given(strategies.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_disposition_is_read_or_an_error(disposition: bytes) -> None:
    with suppress(FormError):
        read(part(b'form-data; name="file"; filename' + disposition))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        BODY[:60],
        BODY[: BODY.index(TRICKY) + 9],
        BODY.removesuffix(b"--x--\r\n"),
        BODY.removesuffix(b"--\r\n"),
        part(b'form-data; filename="without a name"'),
        b"--x\r\n\r\nno header at all\r\n--x--",
        b"--x\r\nContent Disposition: form-data\r\n\r\n\r\n--x--",
        part(b'form-data; name="file"; filename="' + b"a" * 100_000 + b'"'),
        b"--x\r\n" + b"X-Header: x\r\n" * 1000 + b"\r\n\r\n--x--",
    ],
)
def test_a_malformed_body_is_an_error(body: bytes) -> None:
    with pytest.raises(FormError) as error:
        read(body)
    assert error.value.kind is MALFORMED_FORM
    assert str(error.value).startswith(("The form is malformed: ", "The body ended "))


@pytest.mark.parametrize(
    "content_type",
    ["", "image/jpeg", "multipart/mixed; boundary=x", "text/plain;boundary=x"],
)
def test_another_content_type_is_no_form(content_type: str) -> None:
    with pytest.raises(FormError, match="Send multipart/form-data, as curl -F does") as error:
        read(BODY, content_type=content_type)
    assert error.value.kind is NOT_MULTIPART


@pytest.mark.parametrize("options", ["", ";", "; boundary=", "; charset=utf-8"])
def test_a_form_without_a_boundary_says_what_to_leave_out(options: str) -> None:
    with pytest.raises(FormError, match="Do not set it yourself: let FormData, axios") as error:
        read(BODY, content_type=f"multipart/form-data{options}")
    assert error.value.kind is NOT_MULTIPART


def test_a_boundary_without_bounds_is_an_error() -> None:
    with pytest.raises(FormError, match="Boundary"):
        read(BODY, content_type="multipart/form-data; boundary=" + "x" * 300)


def test_a_text_field_is_read_up_to_its_limit() -> None:
    async def text(max_bytes: int) -> str:
        form = FormStream(FORM_TYPE, body_of([part(b"form-data; name=a", "ü".encode())]))
        await anext(aiter(form))
        return await form.text(max_bytes)

    assert asyncio.run(text(2)) == "ü"
    with pytest.raises(FormError, match="longer than 1 bytes"):
        asyncio.run(text(1))
