"""Names a file of an unsupported format by its first bytes, and says what to do with it."""

from upload_api import signatures

CONTENT_TYPES = {  # of each format that is taken
    "JPEG": ["image/jpeg"],
    "PNG": ["image/png"],
    "GIF": ["image/gif"],
    "WebP": ["image/webp"],
    "TIFF": ["image/tiff"],
    "BMP": ["image/bmp"],
    "JPEG 2000": ["image/jp2"],
    "AVIF": ["image/avif"],
    "HEIC": ["image/heic", "image/heif"],
}
FORMATS = tuple(CONTENT_TYPES)
_SIGNATURES = (
    (0, b"%PDF", "a PDF"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"\xff\x0a", "a JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL"),
    (0, b"FUJIFILMCCD-RAW", "a camera's RAW file"),
    (0, b"IIRO", "a camera's RAW file"),
    (0, b"IIRS", "a camera's RAW file"),
    (0, b"IIU\0", "a camera's RAW file"),
    (0, b"gimp xcf", "a GIMP file"),
    (0, b"#?RADIANCE", "a Radiance HDR"),
    (0, b"v/1\x01", "an OpenEXR"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"qoif", "a QOI"),
    (0, b"AT&TFORM", "a DjVu"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"PK\3\4", "an archive (ZIP)"),
)
_SEQUENCES = {b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"}
_SVG = b"<svg"


def why_unsupported(head: bytes, filename: str) -> str:
    """A sentence or two for the client. head: the first bytes, whose format sniff does not know."""
    taken = f"{', '.join(FORMATS[:-1])} and {FORMATS[-1]}"
    if what := _name(head):
        return f"{filename} is {what}. Convert it to JPEG or PNG; {taken} are taken."
    return f"{filename} holds none of {taken}, whatever its name says."


def _name(head: bytes) -> str | None:
    if signatures.is_of_an_iphone_app(head):
        return "a PNG of an iPhone app (CgBI), which only Apple's programs read"
    if signatures.is_tiff(head):
        return "a camera's RAW file"
    for offset, signature, name in _SIGNATURES:
        if head.startswith(signature, offset):
            return name
    if _SVG in head and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "an SVG"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in b" \t\r\n#" and head[2:]:
        return "a Netpbm image (PBM, PGM or PPM)"
    return _iso_media(signatures.brands(head))


def _iso_media(brands: list[bytes]) -> str | None:
    if not brands:
        return None
    if b"crx " in brands:
        return "a camera's RAW file"
    if _SEQUENCES.intersection(brands):
        return "a HEIF image sequence"
    return "a HEIF of the minimized kind" if b"mif3" in brands else "a video"
