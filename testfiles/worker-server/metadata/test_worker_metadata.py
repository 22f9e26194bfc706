"""What METADATA=nogps and strip take out of a block, and what they leave byte for byte."""

import hashlib
import struct
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies
from PIL import Image

from metadata import filters, xmp
from options import Metadata

NOGPS, STRIP, KEEP = Metadata.NOGPS, Metadata.STRIP, Metadata.KEEP

LATITUDE = (48, 51, 29)
NOTE = b"a maker's note with offsets of its own"


def exif_block(order: str = ">", orientation: int = 6, *, gps_in_second: bool = False) -> bytes:
    """IFD0 with orientation, Exif and GPS directories, and an IFD1; all where it is expected."""

    def directory(entries: list[tuple[int, int, int, bytes]], following: int = 0) -> bytes:
        packed = b"".join(struct.pack(f"{order}HHI", *e[:3]) + e[3] for e in entries)
        return struct.pack(f"{order}H", len(entries)) + packed + struct.pack(f"{order}I", following)

    def long(value: int) -> bytes:
        return struct.pack(f"{order}I", value)

    def short(value: int) -> bytes:
        return struct.pack(f"{order}HH", value, 0)

    gps = [(1, 2, 2, b"N\0\0\0"), (2, 5, 3, long(300))]
    pointer = (0x8825, 4, 1, long(220))
    first = [(0x0112, 3, 1, short(orientation)), (0x8769, 4, 1, long(120)), pointer]
    second = [(0x0103, 3, 1, short(6))]
    if gps_in_second:
        second.append(first.pop())
    block = bytearray(400)
    for at, part in [
        (0, {">": b"MM\0*", "<": b"II*\0"}[order] + long(8)),
        (8, directory(first, 70)),
        (70, directory(second)),
        (120, directory([(0x927C, 7, len(NOTE), long(150))])),
        (150, NOTE),
        (220, directory(gps)),
        (300, struct.pack(f"{order}6I", *(n for degrees in LATITUDE for n in (degrees, 1)))),
    ]:
        block[at : at + len(part)] = part
    return bytes(block)


def read(block: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + block)
    return exif


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("gps_in_second", [False, True])
def test_of_exif_only_the_gps_directory_goes_and_nothing_moves(
    order: str, prefix: bytes, gps_in_second: bool
) -> None:
    block = exif_block(order, gps_in_second=gps_in_second)
    if not gps_in_second:
        assert read(block).get_ifd(0x8825)[2] == LATITUDE
    kept = filters.exif(prefix + block, NOGPS)
    assert kept is not None
    assert kept.startswith(prefix)
    kept = kept.removeprefix(prefix)
    assert len(kept) == len(block)
    assert 0x8825 not in read(kept)
    assert read(kept)[0x0112] == 6
    assert read(kept).get_ifd(0x8769)[0x927C] == NOTE
    assert kept[150 : 150 + len(NOTE)] == NOTE
    assert not any(kept[220:324])  # neither the directory nor the coordinates
    assert struct.unpack_from(f"{order}H", kept, 70)[0] == 1  # IFD1 is still where it was


def test_under_keep_a_block_passes_whatever_it_is() -> None:
    for block in (exif_block(), b"", b"garbage"):
        for part in (filters.exif, filters.xmp, filters.iptc, filters.iim):
            assert part(block, KEEP) is block


def test_what_cannot_be_read_is_dropped_where_location_must_go() -> None:
    for part in (filters.exif, filters.xmp, filters.iptc, filters.iim):
        for policy in (NOGPS, STRIP):
            assert part(b"garbage", policy) is None


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("turned", range(1, 9))
def test_stripped_exif_is_the_orientation_alone(order: str, turned: int) -> None:
    block = exif_block(order, turned)
    assert filters.orientation(block) == filters.orientation(b"Exif\0\0" + block) == turned
    stripped = filters.exif(block, STRIP)
    if turned == 1:
        assert stripped is None
    else:
        assert stripped is not None
        assert dict(read(stripped)) == {0x0112: turned}


@pytest.mark.parametrize("turned", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_upright(turned: int) -> None:
    assert filters.orientation(exif_block(orientation=turned)) == 1
    assert filters.exif(exif_block(orientation=turned), STRIP) is None


def test_directories_in_a_loop_come_to_an_end() -> None:
    block = bytearray(exif_block())
    block[70 + 2 + 12 : 70 + 2 + 12 + 4] = struct.pack(">I", 8)  # after IFD1 comes IFD0
    kept = filters.exif(bytes(block), NOGPS)
    assert kept is not None
    assert 0x8825 not in read(kept)


@given(strategies.binary(max_size=200), strategies.integers(0, 399), strategies.sampled_from("<>"))
def test_damaged_exif_is_read_or_dropped_but_raises_nothing(
    damage: bytes, at: int, order: str
) -> None:
    block = bytearray(exif_block(order))
    block[at : at + len(damage)] = damage
    del block[400 + len(damage) :]
    kept = filters.exif(bytes(block), NOGPS)
    assert kept is None or len(kept) == len(block)
    assert filters.orientation(bytes(block)) in range(1, 9)


def test_a_place_in_the_xmp_or_iptc_within_exif_goes_as_well() -> None:
    xmp, iim = packet(PLACES_AS_ATTRIBUTES), iim_record()
    head = struct.pack(">4sIH", b"MM\0*", 8, 2)
    start = len(head) + 2 * 12 + 4
    block = head + struct.pack(">HHII", 700, 1, len(xmp), start)
    block += struct.pack(">HHII", 33723, 7, len(iim), start + len(xmp))
    block += bytes(4) + xmp + iim
    kept = filters.exif(block, NOGPS)
    assert kept is not None
    assert len(kept) == len(block)
    assert b"Ghent" in block
    assert b"Ghent" not in kept
    assert b"a caption" in kept
    assert b"a title" in kept


PLACES_AS_ATTRIBUTES = (
    """<rdf:Description xmp:Rating="3" exif:GPSLatitude="51,3N" exif:GPSLongitude='3,4"E' """
    """xmlns:dm="http://ns.adobe.com/xmp/1.0/DynamicMedia/" dm:shotLocation="Ghent" """
    """xmlns:dc="http://purl.org/dc/elements/1.1/" dc:coverage="Ghent" """
    """photoshop:City="Ghent" ph:State = 'Ghent &gt; East' photoshop:Headline="a title">"""
    "<dc:x>></dc:x></rdf:Description>"
)
PLACES_AS_ELEMENTS = """<rdf:Description>
  <exif:GPSLatitude>51,3N</exif:GPSLatitude ><photoshop:Country/>
  <Iptc4xmpCore:Location rdf:parseType="x>y">Ghent</Iptc4xmpCore:Location>
  <Iptc4xmpExt:LocationShown><rdf:Bag><rdf:li photoshop:City="Ghent">Ghent<!-- > --></rdf:li>
  </rdf:Bag></Iptc4xmpExt:LocationShown>
  <photoshop:Headline>a title</photoshop:Headline>
  <drone:GpsLatitude xmlns:drone="http://www.dji.com/drone-dji/1.0/">51</drone:GpsLatitude>
</rdf:Description>"""


def packet(description: str) -> bytes:
    spaces = {
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "ph": "http://ns.adobe.com/photoshop/1.0/",
        "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    }
    declared = "\n".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in spaces.items())
    return (
        '<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {declared}>{description}</rdf:RDF>'
        f"</x:xmpmeta>\n{' ' * 200}\n<?xpacket end='w'?>"
    ).encode()


@pytest.mark.parametrize("description", [PLACES_AS_ATTRIBUTES, PLACES_AS_ELEMENTS])
@pytest.mark.parametrize("end", [b"", b"\n", b"\0\0"])
def test_of_xmp_the_places_go_and_all_the_rest_stays_where_it_was(
    description: str, end: bytes
) -> None:
    before = packet(description) + end
    after = filters.xmp(before, NOGPS)
    assert after is not None
    assert len(after) == len(before)
    changed = {byte for was, byte in zip(before, after, strict=True) if was != byte}
    assert changed == {ord(" ")}
    for place in (b"Ghent", b"51", b"GPS", b"Gps", b"City", b"State", b"Country", b"Location"):
        assert place not in after
    ElementTree.fromstring(after.rstrip(b"\0"))  # noqa: S314 - our own
    assert b"a title" in after
    assert b'xmp:Rating="3"' in after or description is PLACES_AS_ELEMENTS


def test_xmp_without_places_stays_as_it_is() -> None:
    before = packet('<rdf:Description xmp:Rating="3" photoshop:Headline="GPSLatitude City"/>')
    assert filters.xmp(before, NOGPS) == before
    assert filters.xmp(before, STRIP) is None


@pytest.mark.parametrize(
    "damaged",
    [
        packet("<rdf:Description>"),
        packet("&city;"),
        b'<!DOCTYPE x [<!ENTITY city "Ghent">]>' + packet("&city;")[60:],
        packet("").decode().encode("utf-16"),
        packet('<rdf:Description nowhere:City="Ghent"/>'),
        b"",
    ],
)
def test_xmp_that_is_not_sound_is_dropped(damaged: bytes) -> None:
    assert filters.xmp(damaged, NOGPS) is None


@given(strategies.text(), strategies.text())
def test_any_text_may_stand_in_xmp(kept: str, place: str) -> None:
    element = ElementTree.Element("kept", {"kept": kept, "{http://a}gpsPlace": place})
    ElementTree.SubElement(element, "gpsAltitude", {"a": place}).text = place
    element[-1].tail = kept
    before = ElementTree.tostring(element)
    after = filters.xmp(before, NOGPS)
    try:
        ElementTree.fromstring(before)  # noqa: S314
    except ElementTree.ParseError:
        return  # control characters are no XML
    assert after is not None
    left = ElementTree.fromstring(after)  # noqa: S314
    assert len(left) == 0
    assert list(left.attrib) == ["kept"]
    assert left.get("kept") == ElementTree.fromstring(before).get("kept")  # noqa: S314


def data_set(number: int, value: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value


def iim_record() -> bytes:
    places = (26, 27, 90, 92, 95, 100, 101)
    return (
        data_set(120, b"a caption")
        + b"".join(data_set(number, b"Ghent") for number in places)
        + struct.pack(">BBBHI", 0x1C, 2, 25, 0x8004, 5)  # an extended data set
        + b"a tag"
    )


def resource(number: int, data: bytes, name: bytes = b"") -> bytes:
    named = bytes([len(name)]) + name
    named += bytes(len(named) % 2)
    size = struct.pack(">I", len(data))
    return b"8BIM" + struct.pack(">H", number) + named + size + data + bytes(len(data) % 2)


def test_of_iptc_the_data_sets_with_places_go() -> None:
    left = filters.iim(iim_record(), NOGPS)
    assert left == data_set(120, b"a caption") + iim_record()[-14:]
    assert filters.iim(left + bytes(3), NOGPS) == left
    assert filters.iim(data_set(90, b"Ghent"), NOGPS) is None


def test_of_photoshops_resources_only_what_holds_a_place_is_touched() -> None:
    density, other = resource(0x03ED, bytes(16)), resource(0x1234, b"odd", b"named")
    digest = hashlib.md5(iim_record()).digest()  # noqa: S324
    before = (
        density
        + resource(0x0404, iim_record())
        + resource(0x0425, digest)
        + other
        + resource(0x0424, packet(PLACES_AS_ATTRIBUTES))
    )
    left = filters.iptc(before, NOGPS)
    iim = filters.iim(iim_record(), NOGPS)
    xmp = filters.xmp(packet(PLACES_AS_ATTRIBUTES), NOGPS)
    assert iim is not None
    assert xmp is not None
    assert left == (
        density
        + resource(0x0404, iim)
        + resource(0x0425, hashlib.md5(iim).digest())  # noqa: S324
        + other
        + resource(0x0424, xmp)
    )
    assert filters.iptc(density + other, NOGPS) == density + other
    assert filters.iptc(before, STRIP) is None


@given(strategies.binary(max_size=100), strategies.integers(0, 600))
def test_damaged_resources_are_read_up_to_the_damage(damage: bytes, at: int) -> None:
    resources = bytearray(resource(0x03ED, bytes(16)) + resource(0x0404, iim_record()) * 3)
    resources[at : at + len(damage)] = damage
    for part in (filters.iptc, filters.iim):
        left = part(bytes(resources), NOGPS)
        assert left is None or len(left) <= len(resources)


@pytest.mark.parametrize(
    "promise",
    [
        b'xmlns:p="http://ns.adobe.com/hdr-gain-map/1.0/" p:Version="1.0"',
        b'xmlns:p="http://ns.apple.com/HDRGainMap/1.0/" p:HDRGainMapVersion="65536"',
        b'xmlns:p="http://ns.google.com/photos/1.0/camera/" p:MotionPhoto="1"',
        b'xmlns:p="http://ns.google.com/photos/dd/1.0/container/" p:Directory="1"',
    ],
)
def test_of_xmp_what_promises_further_pictures_goes(promise: bytes) -> None:
    before = b"<x:xmpmeta xmlns:x='adobe:ns:meta/' kept='yes' " + promise + b"/>  \0"
    blanked = promise.split(b" ", 1)[1]
    assert xmp.of_one_picture(before) == before.replace(blanked, b" " * len(blanked))


@pytest.mark.parametrize("packet", [b"", b"no XML", b"<x p:MotionPhoto='1'", b"<x/>\0", b"\xff<"])
def test_xmp_that_promises_nothing_or_cannot_be_read_stays(packet: bytes) -> None:
    assert xmp.of_one_picture(packet) == packet
