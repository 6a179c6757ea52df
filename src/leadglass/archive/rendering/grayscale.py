"""From stored values to 8-bit grey: the Modality and VOI stages of PS3.3 C.11 and PS3.4 N.2.1.

Up to 16 bits the stages run once per possible stored value, not once per pixel: a new window costs a table of
65,536 entries and one look-up per pixel. Wider values (RT Dose, parametric maps) go through block by block.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from leadglass.archive.rendering.luts import Lut, lut_of

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Stage = Callable[[Array], Array]

_BLOCK = 1 << 20  # pixels of a wide image worked on at once


class VoiFunction(StrEnum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3: maps modality units to 0..1."""

    center: float
    width: float
    function: VoiFunction = VoiFunction.LINEAR

    def apply(self, values: Array) -> Floats:
        if self.function is VoiFunction.SIGMOID:
            exponent = np.clip(-4.0 * (values - self.center) / self.width, -700.0, 700.0)
            return np.asarray(1.0 / (1.0 + np.exp(exponent)))
        # LINEAR needs a width of at least 1; what is narrower can only have been meant exactly.
        exact = self.function is VoiFunction.LINEAR_EXACT or self.width < 1
        center, width = (self.center, self.width) if exact else (self.center - 0.5, self.width - 1)
        if width == 0:
            return np.asarray(values > center, np.float64)
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Grey:
    pixels: Bytes
    center: float
    width: float


def render_grey(ds: Dataset, stored: Array, frame: int, window: tuple[float, float] | None) -> Grey:
    """`stored` is frame `frame` (from 1) of `ds`, two-dimensional and of any pixel type."""
    modality = _modality(ds, frame)
    voi, applied = _voi(ds, stored, frame, window, modality)
    inverted = ds.get("PhotometricInterpretation") == "MONOCHROME1"

    def to_bytes(values: Array) -> Bytes:
        shown = np.nan_to_num(voi(modality(values)), nan=0.0) * 255.0 + 0.5
        grey = shown.astype(np.uint8)
        return np.bitwise_not(grey) if inverted else grey

    return Grey(_per_pixel(stored, to_bytes), applied.center, applied.width)


def _per_pixel(stored: Array, to_bytes: Callable[[Array], Bytes]) -> Bytes:
    if _is_narrow(stored):
        return to_bytes(_codes(stored))[_places(stored)]
    shown = np.empty(stored.shape, np.uint8)
    source, target = stored.reshape(-1), shown.reshape(-1)
    for start in range(0, source.size, _BLOCK):
        target[start : start + _BLOCK] = to_bytes(source[start : start + _BLOCK])
    return shown


def _is_narrow(stored: Array) -> bool:
    return stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2


def _codes(stored: Array) -> Array:
    """Every value the pixel type can hold, in the order of its bit pattern read as unsigned."""
    size = stored.dtype.itemsize
    return np.arange(1 << (8 * size), dtype=f"u{size}").view(f"{stored.dtype.kind}{size}")


def _places(stored: Array) -> Array:
    return np.ascontiguousarray(stored).view(f"u{stored.dtype.itemsize}")


# ---- Modality ---------------------------------------------------------------------------------------------


def _modality(ds: Dataset, frame: int) -> Stage:
    source = _functional_group(ds, frame, "PixelValueTransformationSequence") or ds
    if source.get("ModalityLUTSequence"):
        lut = lut_of(source.ModalityLUTSequence[0], little_endian=_little_endian(ds))
        return lambda values: lut.apply(values).astype(np.float64)
    # RT Dose scales to Gy by an attribute of its own (PS3.3 C.8.8.3).
    slope = _number(source, "RescaleSlope") or _number(ds, "DoseGridScaling") or 1.0
    intercept = _number(source, "RescaleIntercept") or 0.0
    return lambda values: values.astype(np.float64) * slope + intercept


# ---- VOI --------------------------------------------------------------------------------------------------


def _voi(
    ds: Dataset, stored: Array, frame: int, asked: tuple[float, float] | None, modality: Stage
) -> tuple[Stage, Window]:
    """The VOI stage, and the window to tell the viewer (for a table: the range of its inputs)."""
    source = _functional_group(ds, frame, "FrameVOILUTSequence") or ds
    if asked is None and source.get("VOILUTSequence"):
        lut = lut_of(source.VOILUTSequence[0], little_endian=_little_endian(ds))
        return _scaled(lut), Window(lut.first + len(lut.entries) / 2, float(len(lut.entries)))
    window = _own_window(source, asked) or _whole_range(ds, stored, modality)
    return window.apply, window


def _scaled(lut: Lut) -> Stage:
    top = float((1 << lut.bits) - 1)
    return lambda values: np.minimum(lut.apply(values) / top, 1.0)


def _own_window(source: Dataset, asked: tuple[float, float] | None) -> Window | None:
    named = str(source.get("VOILUTFunction") or "")
    function = VoiFunction(named) if named in set(VoiFunction) else VoiFunction.LINEAR
    if asked is not None:
        return Window(*asked, function)
    center, width = _number(source, "WindowCenter"), _number(source, "WindowWidth")
    if center is None or width is None or width <= 0:
        return None
    return Window(center, width, function)


def _whole_range(ds: Dataset, stored: Array, modality: Stage) -> Window:
    """From the least to the greatest value of the frame, its padding left out; a flat frame is black."""
    if ds.BitsAllocated == 1:
        return Window(0.5, 1.0, VoiFunction.LINEAR_EXACT)
    values = modality(_extremes(stored, _padding(ds)))
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if low == high:
        return Window(low + 0.5, 1.0, VoiFunction.LINEAR_EXACT)
    return Window((low + high) / 2, high - low, VoiFunction.LINEAR_EXACT)


def _extremes(stored: Array, padding: tuple[int, int] | None) -> Array:
    """Stored values among which the modality stage has its extremes; padding and non-numbers left out."""
    if _is_narrow(stored):
        present = np.zeros(1 << (8 * stored.dtype.itemsize), bool)
        present[_places(stored)] = True
        values = _codes(stored)[present]  # a Modality LUT need not be monotonic, so all of them
    else:
        values = stored.reshape(-1)
    if padding is not None:
        values = values[(values < padding[0]) | (values > padding[1])]
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    return values if _is_narrow(stored) or not values.size else np.array([values.min(), values.max()])


def _padding(ds: Dataset) -> tuple[int, int] | None:
    """Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2), in stored values."""
    value = _number(ds, "PixelPaddingValue")
    if value is None:
        return None
    limit = _number(ds, "PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    return low, high


# ---- reading the data set ---------------------------------------------------------------------------------


def _functional_group(ds: Dataset, frame: int, keyword: str) -> Dataset | None:
    """The per-frame item if there is one, else the shared one (PS3.3 C.7.6.16)."""
    for sequence, index in (
        ("PerFrameFunctionalGroupsSequence", frame - 1),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        groups = ds.get(sequence) or ()
        if index < len(groups) and groups[index].get(keyword):
            item: Dataset = groups[index][keyword].value[0]
            return item
    return None


def _number(ds: Dataset, keyword: str) -> float | None:
    """The first value, if it is there and finite."""
    value = ds.get(keyword)
    if isinstance(value, MultiValue):
        value = value[0] if value else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _little_endian(ds: Dataset) -> bool:
    return ds.original_encoding[1] is not False
