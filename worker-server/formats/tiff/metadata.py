"""Which tags of a TIFF stay under each METADATA policy."""

from PIL.ExifTags import Base as Tag

from formats.tiff.file import TABLES, Directory, TiffFile
from metadata import filters
from options import Metadata

# What showing the picture takes: TIFF 6.0, its supplements 1 and 2, the ICC profile, and SGI's tags
_STRUCTURE = {
    Tag.NewSubfileType, Tag.SubfileType, Tag.ImageWidth, Tag.ImageLength, Tag.BitsPerSample,
    Tag.Compression, Tag.PhotometricInterpretation, Tag.Thresholding, Tag.CellWidth,
    Tag.CellLength, Tag.FillOrder, Tag.StripOffsets, Tag.Orientation, Tag.SamplesPerPixel,
    Tag.RowsPerStrip, Tag.StripByteCounts, Tag.MinSampleValue, Tag.MaxSampleValue,
    Tag.PlanarConfiguration, Tag.GrayResponseUnit, Tag.GrayResponseCurve, Tag.T4Options,
    Tag.T6Options, Tag.TransferFunction, Tag.Predictor, Tag.WhitePoint,
    Tag.PrimaryChromaticities, Tag.ColorMap, Tag.HalftoneHints, Tag.TileWidth, Tag.TileLength,
    Tag.TileOffsets, Tag.TileByteCounts, Tag.SubIFDs, Tag.InkSet, Tag.InkNames, Tag.NumberOfInks,
    Tag.DotRange, Tag.ExtraSamples, Tag.SampleFormat, Tag.SMinSampleValue, Tag.SMaxSampleValue,
    Tag.TransferRange, Tag.JPEGTables, Tag.JPEGProc, Tag.JpegIFOffset, Tag.JpegIFByteCount,
    Tag.JpegRestartInterval, Tag.JpegLosslessPredictors, Tag.JpegPointTransforms,
    Tag.JpegQTables, Tag.JpegDCTables, Tag.JpegACTables, Tag.YCbCrCoefficients,
    Tag.YCbCrSubSampling, Tag.ReferenceBlackWhite, Tag.InterColorProfile,
    32995, 32996, 32997, 32998,  # Matteing, DataType, ImageDepth, TileDepth
}  # fmt: skip
# Where a GeoTIFF's pixels lie on Earth (OGC 19-008r4 section 7)
_PIXEL_SCALE, _TIEPOINT, _TRANSFORMATION = 33550, 33922, 34264
_KEYS, _DOUBLES, _TEXTS = 34735, 34736, 34737
_PLACES = {Tag.GPSInfo, _PIXEL_SCALE, _TIEPOINT, _TRANSFORMATION, _KEYS, _DOUBLES, _TEXTS}
_BLOCKS = {  # and what fills the bytes that are removed from them
    Tag.XMLPacket: (filters.xmp, b" "),
    Tag.IPTCNAA: (filters.iim, b"\0"),
    Tag.ImageResources: (filters.iptc, b"\0"),
}
_DROPPED_TABLES: dict[Metadata, set[int | None]] = {
    Metadata.KEEP: set(),
    Metadata.NOGPS: {Tag.GPSInfo},
    Metadata.STRIP: set(TABLES),
}


def dropped(file: TiffFile, directory: Directory, policy: Metadata) -> set[int]:
    """The tags of a directory to drop. Blocks that stay are filtered in place."""
    if policy is Metadata.KEEP:
        return set()
    if policy is Metadata.STRIP:
        return directory.entries.keys() - _STRUCTURE
    unwanted = directory.entries.keys() & _PLACES
    for tag, (filtered, filling) in _BLOCKS.items():
        if entry := directory.entries.get(tag):
            value = filtered(file.raw(entry), policy)
            size = entry.end - entry.start
            if value is None or len(value) > size:
                unwanted.add(tag)
            else:
                file.data[entry.start : entry.end] = value.ljust(size, filling)
    return unwanted


def blank(file: TiffFile, policy: Metadata) -> None:
    """Overwrite the tables of tags that no tag points to any more."""
    for directory in file.directories:
        if directory.tag in _DROPPED_TABLES[policy]:
            file.blank(directory)
