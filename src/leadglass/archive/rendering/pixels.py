"""One frame of a data set as a small JPEG. Runs only in a confined worker: every byte here may be hostile.

All that can be known without decoding is checked first: Image Pixel attributes against the limits, the length
of the pixel data against the attributes, and what each codestream claims against both. Overlays, presentation
states and pixel aspect ratio are left out of previews.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame, parse_fragments
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
)

from leadglass.archive.rendering.codestreams import Claim, honest
from leadglass.archive.rendering.grayscale import render_grey
from leadglass.archive.rendering.luts import palette_of, to_8_bits
from leadglass.archive.rendering.wire import Refusal, Rendered, RenderRequest, refused

Array = npt.NDArray[Any]

_JPEG_QUALITY = 85
_MONOCHROME = frozenset({"MONOCHROME1", "MONOCHROME2"})
_PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_BITS_ALLOCATED = {"PixelData": (1, 8, 16, 32), "FloatPixelData": (32,), "DoubleFloatPixelData": (64,)}

# (implicit VR, little endian) as pydicom reports what it read.
_BY_ENCODING: dict[tuple[bool | None, ...], UID] = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """Of one frame: how many pixels, and how many bytes once decoded."""

    pixels: int = 64 << 20
    decoded_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class ImagePixel:
    """The checked Image Pixel attributes (PS3.3 C.7.6.3) that decide how much memory a frame takes."""

    keyword: str
    transfer_syntax: UID
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    frames: int

    @property
    def frame_bytes(self) -> int:
        return (self.rows * self.columns * self.samples * self.bits_allocated + 7) // 8


def image_pixel(ds: Dataset, limits: PixelLimits) -> ImagePixel:
    """Raises a Violation for what is no image, contradicts itself or exceeds `limits`."""
    keyword = next((name for name in _PIXEL_KEYWORDS if name in ds), None)
    if keyword is None:
        raise refused(Refusal.NO_IMAGE)
    bits = _integer(ds, "BitsAllocated")
    image = ImagePixel(
        keyword,
        _transfer_syntax(ds),
        _integer(ds, "Rows"),
        _integer(ds, "Columns"),
        _integer(ds, "SamplesPerPixel", 1),
        bits,
        _integer(ds, "BitsStored", bits),
        _integer(ds, "NumberOfFrames", 1) or 1,
    )
    sound = (
        image.rows > 0
        and image.columns > 0
        and image.frames > 0
        and image.samples in (1, 3)
        and bits in _BITS_ALLOCATED[keyword]
        and 0 < image.bits_stored <= bits
    )
    if not sound:
        raise refused(Refusal.DAMAGED)
    # Bits unpack to a byte each.
    decoded = image.rows * image.columns * image.samples * max(1, bits // 8)
    if image.rows * image.columns > limits.pixels or decoded > limits.decoded_bytes:
        raise refused(Refusal.TOO_LARGE)
    return image


def decode(ds: Dataset, image: ImagePixel, frame: int) -> Array:
    """Frame `frame` (from 1): (rows, columns) stored values, or (rows, columns, 3) RGB."""
    if frame > image.frames:
        raise refused(Refusal.NO_SUCH_FRAME)
    decoder = _decoder(image)
    if image.transfer_syntax.is_encapsulated:
        _check_encapsulated(ds, image, frame)
    else:
        _check_native(ds, image)
    values, meta = decoder.as_array(ds, index=frame - 1)
    expected = (image.rows, image.columns) if image.samples == 1 else (image.rows, image.columns, 3)
    if values.shape != expected:
        raise refused(Refusal.DAMAGED)
    if image.samples == 3 and meta["photometric_interpretation"] != "RGB":
        raise refused(Refusal.UNSUPPORTED)
    return np.asarray(values).astype(values.dtype.newbyteorder("="), copy=False)


def _decoder(image: ImagePixel) -> Decoder:
    # No freely licensed decoder here reads 12-bit lossy JPEG.
    if image.transfer_syntax == JPEGExtended12Bit and image.bits_stored != 8:
        raise refused(Refusal.UNSUPPORTED)
    try:
        decoder = get_decoder(image.transfer_syntax)
    except NotImplementedError as error:
        raise refused(Refusal.UNSUPPORTED) from error
    if not decoder.is_available:
        raise refused(Refusal.UNSUPPORTED)
    return decoder


class Picture:
    """A Part 10 file in memory, opened on first use; keeps its last decoded frame for the next window."""

    def __init__(self, part10: io.BytesIO, limits: PixelLimits) -> None:
        self._part10: io.BytesIO | None = part10
        self._limits = limits
        self._ds = Dataset()
        self._frame: int | None = None
        self._stored: Array = np.empty(0)

    def show(self, request: RenderRequest) -> Rendered:
        """Raises Violation, MemoryError, or whatever pydicom and the codecs raise on damaged input."""
        if self._part10 is not None:
            self._ds, self._part10 = dcmread(self._part10, force=True), None
        image = image_pixel(self._ds, self._limits)
        if self._frame != request.frame:
            self.forget()
            self._stored = decode(self._ds, image, request.frame)
            self._frame = request.frame
        return render(self._ds, image, self._stored, request)

    def forget(self) -> None:
        """Let go of the decoded frame."""
        self._frame, self._stored = None, np.empty(0)


def render(ds: Dataset, image: ImagePixel, stored: Array, request: RenderRequest) -> Rendered:
    photometric = str(ds.get("PhotometricInterpretation") or "")
    center = width = None
    if image.samples == 3:
        shown = to_8_bits(stored, image.bits_stored)
    elif photometric == "PALETTE COLOR":
        first, table = palette_of(ds, little_endian=ds.original_encoding[1] is not False)
        shown = table[np.clip(stored.astype(np.int32) - first, 0, len(table) - 1)]
    elif photometric in _MONOCHROME:
        grey = render_grey(ds, stored, request.frame, request.window)
        shown, center, width = grey.pixels, grey.center, grey.width
    else:
        raise refused(Refusal.UNSUPPORTED)
    picture = _fit(Image.fromarray(np.ascontiguousarray(shown)), request.edge)
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=_JPEG_QUALITY)
    return Rendered(
        jpeg.getvalue(), picture.width, picture.height, image.frames, center, width, center is not None
    )


def _fit(picture: Image.Image, edge: int) -> Image.Image:
    longest = max(picture.size)
    if longest <= edge:
        return picture
    width, height = (max(1, round(side * edge / longest)) for side in picture.size)
    # reducing_gap averages down by whole factors first: far quicker on a radiograph, no visible difference.
    return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _check_native(ds: Dataset, image: ImagePixel) -> None:
    bits = image.rows * image.columns * image.samples * image.bits_allocated * image.frames
    if ds.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3  # PS3.3 C.7.6.3.1.2: two pixels in four samples
    if len(ds[image.keyword].value or b"") < bits // 8:
        raise refused(Refusal.DAMAGED)


def _check_encapsulated(ds: Dataset, image: ImagePixel, frame: int) -> None:
    """PS3.5 A.4: each frame is at least one fragment."""
    data: bytes = ds.PixelData
    items, _ = parse_fragments(data)
    if items - 1 < image.frames:  # the first item is the Basic Offset Table
        raise refused(Refusal.DAMAGED)
    offsets = ds.get("ExtendedOffsetTable"), ds.get("ExtendedOffsetTableLengths")
    encoded = get_frame(
        data,
        frame - 1,
        number_of_frames=image.frames,
        extended_offsets=offsets if all(offsets) else None,
    )
    said = Claim(image.rows, image.columns, image.samples)
    if not honest(image.transfer_syntax, encoded, said, image.frame_bytes):
        raise refused(Refusal.DAMAGED)


def _transfer_syntax(ds: Dataset) -> UID:
    """Of an object without File Meta Information, by the encoding it was read with."""
    named = getattr(ds, "file_meta", {}).get("TransferSyntaxUID") or _BY_ENCODING.get(
        tuple(ds.original_encoding)
    )
    if named is None:
        raise refused(Refusal.DAMAGED)
    return UID(str(named))


def _integer(ds: Dataset, keyword: str, default: int | None = None) -> int:
    value = ds.get(keyword)
    if value is None and default is not None:
        return default
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise refused(Refusal.DAMAGED) from error
