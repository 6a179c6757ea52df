"""Modality, VOI and Palette Color LUTs as the Standard writes them (PS3.3 C.11.1, C.11.2, C.7.6.3.1.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from leadglass.archive.rendering.wire import Refusal, refused

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Lut:
    """`entries[0]` belongs to the input `first`; inputs beyond either end get the entry at that end."""

    first: int
    entries: Array
    bits: int

    def apply(self, values: Array) -> Array:
        places = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return np.asarray(self.entries[places.astype(np.int32)])


def lut_of(item: Dataset, *, little_endian: bool) -> Lut:
    """LUT Descriptor (0028,3002) and LUT Data (0028,3006) of a Modality or VOI LUT Sequence item."""
    return _lut(item.LUTDescriptor, item.LUTData, little_endian=little_endian)


def palette_of(ds: Dataset, *, little_endian: bool) -> tuple[int, npt.NDArray[np.uint8]]:
    """First input mapped, and an (entries, 3) table of 8-bit RGB."""
    if "SegmentedRedPaletteColorLookupTableData" in ds:
        return _segmented_palette(ds)
    channels = [
        _lut(
            ds[f"{colour}PaletteColorLookupTableDescriptor"].value,
            ds[f"{colour}PaletteColorLookupTableData"].value,
            little_endian=little_endian,
        )
        for colour in ("Red", "Green", "Blue")
    ]
    if len({len(channel.entries) for channel in channels}) != 1:
        raise refused(Refusal.DAMAGED)
    table = np.stack([to_8_bits(channel.entries, channel.bits) for channel in channels], axis=-1)
    return channels[0].first, table


def to_8_bits(values: Array, bits: int) -> npt.NDArray[np.uint8]:
    """Unsigned integers of `bits` significant bits, as 8."""
    if bits > 8:
        return np.asarray(values >> (bits - 8)).astype(np.uint8)
    if bits == 8:
        return np.asarray(values).astype(np.uint8)
    return (values.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)


def _lut(descriptor: Sequence[int], data: bytes | int | Sequence[int], *, little_endian: bool) -> Lut:
    count, first, bits = (int(number) for number in descriptor)
    count = count or 65536  # PS3.3 C.11.1.1: 65536 does not fit the descriptor's 16 bits
    if not 0 < count <= 65536 or not 8 <= bits <= 16:
        raise refused(Refusal.DAMAGED)
    if isinstance(data, bytes):
        # 8-bit entries come packed, or in 16-bit words like all others.
        packed = bits == 8 and len(data) < 2 * count
        entries = np.frombuffer(data, "u1" if packed else "<u2" if little_endian else ">u2", count)
    else:
        entries = np.atleast_1d(np.asarray(data, np.uint16))[:count]
    if len(entries) != count:
        raise refused(Refusal.DAMAGED)
    if bits == 8 and int(entries.max()) > 255:  # some writers say 8 bits but scale their entries to 16
        entries = entries >> 8
    return Lut(first, np.ascontiguousarray(entries, np.uint16), bits)


def _segmented_palette(ds: Dataset) -> tuple[int, npt.NDArray[np.uint8]]:
    """PS3.3 C.7.9.2, unrolled by pydicom for exactly the inputs it maps."""
    count, first, bits = (int(number) for number in ds.RedPaletteColorLookupTableDescriptor)
    inputs = np.arange(first, first + (count or 65536), dtype=np.int32)
    return first, to_8_bits(apply_color_lut(inputs, ds)[:, :3], bits)
