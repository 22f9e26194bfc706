"""The quality of a lossy WebP, computed from its quantiser (RFC 6386, sections in brackets)."""

_TAG_BYTES = 10  # in front of a key frame's header [9.1]
_HEADER_BYTES = 64  # the quantiser comes before
_COARSEST = 127
_SEGMENTS, _LOOP_FILTER_DELTAS = 4, 8


class _BoolDecoder:
    """Section 7.3. In this header every bit has the probability one half."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._range = 255
        self._following_bits = 8 * len(data) - 8

    def flag(self) -> bool:
        split = 1 + ((self._range - 1) * 128 >> 8)
        is_set = self._value >= split << self._following_bits
        if is_set:
            self._value -= split << self._following_bits
        self._range = self._range - split if is_set else split
        while self._range < 128:
            self._range <<= 1
            self._following_bits -= 1
        return is_set

    def number(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            value = value << 1 | self.flag()
        return value

    def signed(self, bits: int) -> int:
        value = self.number(bits)
        return -value if self.flag() else value


def quality(bitstream: bytes) -> int:
    """The quality, 0 to 100, at which libwebp quantises like this VP8 chunk. Raises ValueError."""
    fineness = 1 - _quantiser(bitstream) / _COARSEST
    linear = fineness**3  # as in libwebp's quant_enc.c, QualityToCompression
    return round(100 * (linear * 1.5 if linear < 0.5 else (linear + 1) / 2))


def _quantiser(bitstream: bytes) -> float:
    """The mean index of the luma's quantisers [9.3, 9.6]."""
    header = _BoolDecoder(bitstream[_TAG_BYTES : _TAG_BYTES + _HEADER_BYTES])
    header.number(2)  # colour space, clamping
    segments: list[int] = []
    is_absolute = True
    if header.flag():
        segments, is_absolute = _segments(header)
    header.number(1 + 6 + 3)  # the loop filter: kind, level, sharpness
    if header.flag() and header.flag():
        for _ in range(_LOOP_FILTER_DELTAS):
            if header.flag():
                header.signed(6)
    header.number(2)  # partitions
    base = header.number(7)
    indices = [index if is_absolute else base + index for index in segments] or [base]
    return sum(indices) / len(indices)


def _segments(header: _BoolDecoder) -> tuple[list[int], bool]:
    """The quantisers of four kinds of blocks, and whether they are absolute."""
    has_map, has_data = header.flag(), header.flag()
    quantisers: list[int] = []
    is_absolute = False
    if has_data:
        is_absolute = header.flag()
        quantisers = [header.signed(7) if header.flag() else 0 for _ in range(_SEGMENTS)]
        for _ in range(_SEGMENTS):
            if header.flag():
                header.signed(6)
    if has_map:
        for _ in range(3):
            if header.flag():
                header.number(8)
    return quantisers, is_absolute
