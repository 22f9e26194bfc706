"""Image formats by their first bytes, whatever a file's name says.

The copies in fast-server and central-server are byte-identical; testfiles/test_copies.py
compares them.
"""

HEAD_BYTES = 32
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP8", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"II+\0", "image/tiff"),
    (0, b"MM\0+", "image/tiff"),
    (0, b"BM", "image/bmp"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, b"\xff\x4f\xff\x51", "image/jp2"),
)


def sniff(head: bytes) -> str | None:
    """The media type the first HEAD_BYTES bytes show, or None for one we do not take."""
    for offset, signature, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    # ISO base media files list the brands they conform to behind "ftyp".
    if head.startswith(b"ftyp", 4) and (b"avif" in head[8:] or b"avis" in head[8:]):
        return "image/avif"
    return None
