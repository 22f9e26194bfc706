"""Notes about what is dropped of a HEIC or AVIF: only its pictures are written again.

Auxiliary pictures: ISO/IEC 23008-12, sections 6.5.8 and 7.5.3. Gain maps as derived pictures: ISO
21496-1 (tmap). Tracks: ISO/IEC 14496-12. A motion photo's video is a whole file, in the last box
(Android's Motion Photo format 1.0: mpvd) or behind all boxes.
"""

import re
from pathlib import Path

from drawing.stamp import Stamp

_FILE = re.compile(rb"\0\0..ftyp[ -~]{4}", re.DOTALL)
_AUXILIARY = re.compile(rb"aux[Ci]\0{4}(urn:[!-~]+)")
_ALPHA = {b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"}
_DEPTH = {b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth", b"urn:mpeg:hevc:2015:auxid:2"}
_TONE_MAP = re.compile(rb"infe[\x02\x03].{3}(?:.{2}|.{4}).{2}tmap", re.DOTALL)
_MOVIE = re.compile(rb"moov.{4}mvhd", re.DOTALL)
_SOUND = re.compile(rb"hdlr\0{8}soun")


def note_dropped(path: Path, stamp: Stamp, *, keeps_animation: bool) -> None:
    content = path.read_bytes()
    video = _FILE.search(content, 4)
    end = video.start() if video else len(content)
    auxiliary = {found[1] for found in _AUXILIARY.finditer(content, 0, end)} - _ALPHA
    gain_maps = {kind for kind in auxiliary if b"gainmap" in kind.lower()}
    if gain_maps or _TONE_MAP.search(content, 0, end):
        stamp.note("Its HDR gain map was dropped: it belongs to the picture without the logo.")
    if auxiliary & _DEPTH:
        stamp.note("Its depth map was dropped: it belongs to the picture without the logo.")
    if auxiliary - gain_maps - _DEPTH:
        stamp.note("Its auxiliary pictures were dropped: they belong to the one without the logo.")
    if video:
        stamp.note("The video of the motion photo is not kept.")
    if _SOUND.search(content, 0, end):
        stamp.note("Its sound is not kept.")
    if not keeps_animation and _MOVIE.search(content, 0, end):
        stamp.note("Its image sequence is not kept.")
