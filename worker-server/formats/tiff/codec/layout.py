"""What all strips or tiles of a page have in common, and the names of TIFF's compressions."""

from dataclasses import dataclass

from errors import ImageRejected

NONE, CCITT_RLE, CCITT_G3, CCITT_G4, LZW, OLD_JPEG, JPEG = 1, 2, 3, 4, 5, 6, 7
DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD, WEBP = 8, 32946, 32773, 34925, 50000, 50001
CCITT, DEFLATES = (CCITT_RLE, CCITT_G3, CCITT_G4), (DEFLATE, OLD_DEFLATE)


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
        """How many pixels share their Cb and Cr, across and down; JPEG sees to that itself."""
        shares = self.photometric == 6 and self.samples == 3 and self.bits == 8
        if shares and self.compression != JPEG and len(self.subsampling) == 2:
            return self.subsampling[0], self.subsampling[1]
        return 1, 1

    @property
    def is_predicted(self) -> bool:
        return self.predictor != 1 and self.compression in (LZW, LZMA, ZSTD, *DEFLATES)


def damaged(what: str) -> ImageRejected:
    return ImageRejected("corrupt_image", f"The TIFF is damaged: {what}.")
