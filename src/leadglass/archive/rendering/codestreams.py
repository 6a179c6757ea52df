"""What an encoded frame says about itself, read before any decoder believes it.

A codestream carries its own dimensions, and decoders allocate by them, not by Rows and Columns. So they are
compared first: a frame that claims more than its data set is refused unopened.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
_JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
_JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
_JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
RLE_LOSSLESS = "1.2.840.10008.1.2.5"

# SOF0-3, 5-7, 9-11, 13-15 (ITU-T T.81 table B.1) and JPEG-LS SOF55 (T.87 C.1.1).
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
# Markers that stand alone, without a length: TEM, RST0-7, SOI.
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_MAX_SEGMENTS = 1024
_MAX_TILES = 65535  # T.800 A.4.2: Isot is 16 bits wide


@dataclass(frozen=True, slots=True)
class Claim:
    rows: int
    columns: int
    samples: int


def jpeg_claim(data: bytes) -> Claim | None:
    """The first frame header of a JPEG or JPEG-LS codestream; None when there is none to be found."""
    if data[:2] != b"\xff\xd8":
        return None
    offset = 2
    for _ in range(_MAX_SEGMENTS):
        while data[offset : offset + 2] == b"\xff\xff":  # fill bytes, T.81 B.1.1.2
            offset += 1
        if len(data) < offset + 10 or data[offset] != 0xFF:
            return None
        marker = data[offset + 1]
        if marker in _FRAME_HEADERS:
            return Claim(*struct.unpack_from(">HHB", data, offset + 5))
        offset += 2 if marker in _BARE else 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return None


def jpeg2000_claim(data: bytes) -> Claim | None:
    """The SIZ segment (T.800 A.5.1), which follows SOC at once; a JP2 wrapper around it is skipped.

    None also for a tile grid that no codestream can fill: decoders allocate per tile.
    """
    start = data.find(b"\xff\x4f\xff\x51", 0, 65536)
    if start < 0 or len(data) < start + 42:
        return None
    right, bottom, left, top, tile_width, tile_height, _, _, samples = struct.unpack_from(
        ">8IH", data, start + 8
    )
    if right <= left or bottom <= top or not tile_width or not tile_height:
        return None
    if -(-right // tile_width) * -(-bottom // tile_height) > _MAX_TILES:
        return None
    return Claim(bottom - top, right - left, samples)


_READERS: dict[str, Callable[[bytes], Claim | None]] = {
    **dict.fromkeys(
        (
            _JPEG_BASELINE,
            _JPEG_EXTENDED,
            _JPEG_LOSSLESS,
            _JPEG_LOSSLESS_SV1,
            _JPEG_LS_LOSSLESS,
            _JPEG_LS_NEAR,
        ),
        jpeg_claim,
    ),
    **dict.fromkeys((*_JPEG_2000, *_HTJ2K), jpeg2000_claim),
}


def honest(transfer_syntax: str, data: bytes, said: Claim, decoded_bytes: int) -> bool:
    """Whether the encoded frame `data` claims what its data set says, and no more.

    RLE (PS3.5 G) has no dimensions of its own: one segment per byte of a pixel, and even the worst encoder
    adds one byte to 128. Data much longer than that can only be there to be blown up.
    """
    if transfer_syntax == RLE_LOSSLESS:
        pixels = said.rows * said.columns
        segments = int.from_bytes(data[:4], "little")
        return segments * pixels == decoded_bytes and len(data) <= 64 + 2 * decoded_bytes + 2 * segments
    reader = _READERS.get(transfer_syntax)
    return reader is not None and reader(data) == said
