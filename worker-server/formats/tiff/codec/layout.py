"""What all strips or tiles of a page have in common, and the names of TIFF's numbers."""

from dataclasses import dataclass

from errors import ImageRejected

NONE, CCITT_RLE, CCITT_G3, CCITT_G4, LZW, OLD_JPEG, JPEG = 1, 2, 3, 4, 5, 6, 7
DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD, WEBP = 8, 32946, 32773, 34925, 50000, 50001
CCITT, DEFLATES = (CCITT_RLE, CCITT_G3, CCITT_G4), (DEFLATE, OLD_DEFLATE)

# PhotometricInterpretation
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB, ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
HORIZONTAL, FLOATING_POINT = 2, 3  # Predictor
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # SampleFormat
ARRAY_CODES = {  # of bits of a sample and SampleFormat
    (16, UNSIGNED): "H", (16, SIGNED): "h", (32, UNSIGNED): "I", (32, SIGNED): "i",
    (32, FLOAT): "f", (64, FLOAT): "d",
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """What all strips or tiles of a page have in common."""

    width: int
    height: int  # of all but the last strip
    samples: int  # of a pixel, in one strip
    bits: int  # of a sample
    sample_format: int
    order: str
    compression: int
    predictor: int
    fill_order: int
    photometric: int
    fax_options: int
    subsampling: tuple[int, ...]
    jpeg_tables: bytes

    @property
    def stride(self) -> int:
        """Bytes of a row of samples."""
        return (self.width * self.samples * self.bits + 7) // 8

    @property
    def unit(self) -> tuple[int, int]:
        """How many pixels share a Cb and a Cr, across and down. A JPEG has its own sampling."""
        shares = self.photometric == YCBCR and self.samples == 3 and self.bits == 8
        if shares and self.compression != JPEG and len(self.subsampling) == 2:
            return self.subsampling[0], self.subsampling[1]
        return 1, 1

    def packed_size(self, rows: int) -> tuple[int, int]:
        """Bytes of a row of data units, and the number of such rows; a unit may be one pixel."""
        across, down = self.unit
        if (across, down) == (1, 1):
            return self.stride, rows
        return -(-self.width // across) * (across * down + 2), -(-rows // down)

    @property
    def is_predicted(self) -> bool:
        return self.predictor != 1 and self.compression in (LZW, LZMA, ZSTD, *DEFLATES)


def damaged(what: str) -> ImageRejected:
    return ImageRejected("corrupt_image", f"The TIFF is damaged: {what}.")
