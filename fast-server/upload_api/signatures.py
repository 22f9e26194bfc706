"""Image formats by their first bytes, whatever a file's name says."""

import struct

HEAD_BYTES = 1024
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP8", "image/webp"),
    (0, b"II+\0", "image/tiff"),
    (0, b"MM\0+", "image/tiff"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, b"\xff\x4f\xff\x51", "image/jp2"),
)
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_CANON_RAW = b"CR"  # behind the header of a CR2
_OF_AN_IPHONE_APP = b"CgBI"  # the first chunk of a PNG that only Apple's programs read
_REDUCED, _SUB_DIRECTORIES, _DNG_VERSION = 254, 330, 50706  # TIFF tags

# ISO/IEC 23008-12 and 14496-12. What may hold pictures coded as AV1 and as HEVC, and as anything.
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis"}
_HEIF = {b"mif1", b"mif2"}


def sniff(head: bytes) -> str | None:
    """The media type the first HEAD_BYTES bytes show, or None for one we do not take."""
    if is_of_an_iphone_app(head):
        return None
    for offset, signature, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    if is_tiff(head):
        return None if is_camera_raw(head) else "image/tiff"
    if _is_bmp(head):
        return "image/bmp"
    return _iso_media_type(head)


def is_of_an_iphone_app(head: bytes) -> bool:
    """Whether it is a PNG as Xcode packs them: without zlib's header, blue before red."""
    return head.startswith(_OF_AN_IPHONE_APP, 12)


def is_tiff(head: bytes) -> bool:
    return head[:4] in _TIFF


def is_camera_raw(head: bytes) -> bool:
    """Whether a TIFF is a camera's: CR2, DNG, or a TIFF whose first picture is a preview.

    The latter two are told by the first directory (TIFF 6.0 section 2), as far as it lies in the
    head.
    """
    if head.startswith(_CANON_RAW, 8):
        return True
    tags = _tags(head)
    is_preview_first = tags.get(_REDUCED) == 1 and _SUB_DIRECTORIES in tags
    return is_preview_first or _DNG_VERSION in tags


def brands(head: bytes) -> list[bytes]:
    """What an ISO base media file conforms to, the major brand first; none of another file."""
    if not head.startswith(b"ftyp", 4):
        return []
    end = min(int.from_bytes(head[:4], "big"), len(head) - 3)
    return [head[8:12], *(head[start : start + 4] for start in range(16, end, 4))]


def _iso_media_type(head: bytes) -> str | None:
    found = brands(head)
    for brand in found:
        if brand in _AVIF:
            return "image/avif"
        if brand in _HEIC:
            return "image/heic"
    return "image/heif" if _HEIF.intersection(found) else None


def _is_bmp(head: bytes) -> bool:
    """More than the two letters: many a text begins with them. The header says its own size."""
    return head.startswith(b"BM") and 12 <= int.from_bytes(head[14:18], "little") <= 255


def _tags(head: bytes) -> dict[int, int]:
    """Tags and values of a TIFF's first directory; of a value that lies elsewhere, where."""
    order = _TIFF[head[:4]]
    tags = {}
    try:
        (start,) = struct.unpack_from(f"{order}I", head, 4)
        (count,) = struct.unpack_from(f"{order}H", head, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _ = struct.unpack_from(f"{order}HHI", head, entry)
            value = f"{order}H" if kind == 3 else f"{order}I"
            (tags[tag],) = struct.unpack_from(value, head, entry + 8)
    except struct.error:
        pass  # what lies behind the head stays unknown
    return tags
