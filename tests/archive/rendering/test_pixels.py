"""What a frame looks like: against pydicom and against the Standard's formulas, before JPEG blurs it."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path

import data_store
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.pixels.processing import apply_color_lut, apply_windowing
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from leadglass.archive.rendering.grayscale import VoiFunction, Window, render_grey
from leadglass.archive.rendering.luts import palette_of
from leadglass.archive.rendering.pixels import Picture, PixelLimits, decode, image_pixel, render
from leadglass.archive.rendering.wire import RenderRequest
from leadglass.errors import Violation

pytestmark = pytest.mark.filterwarnings("ignore")

ROOTS = (
    Path(pydicom.__file__).parent / "data" / "test_files",
    Path(data_store.__file__).parent / "data",
)
FILES = {path.name: path for root in ROOTS for path in sorted(root.rglob("*.dcm"))}
LIMITS = PixelLimits()
WHOLE = RenderRequest(1, None, 4096)

# Files that give no picture, and why.
NOT_SHOWN = {
    "JPEG-lossy.dcm": "unsupported-image",  # 12-bit lossy JPEG
    "JPGExtended.dcm": "unsupported-image",  # 12-bit lossy JPEG
    "JPEG2000-embedded-sequence-delimiter.dcm": "damaged-image",  # cut short; its tile grid is nonsense
    "MR_truncated.dcm": "damaged-image",
    "badVR.dcm": "damaged-image",  # NumberOfFrames is "1A"
    "meta_missing_tsyntax.dcm": "damaged-image",  # Pixel Data of two bytes, nothing that describes it
    "nested_priv_SQ.dcm": "damaged-image",  # the same
    "emri_small_jpeg_2k_lossless_too_short.dcm": "no-image",  # cut short inside the header's last sequence
    **dict.fromkeys(
        [
            *("DICOMDIR-empty.dcm", "UN_sequence.dcm", "empty_charset_LEI.dcm", "no_meta.dcm"),
            *(
                "no_meta_group_length.dcm",
                "priv_SQ.dcm",
                "reportsi.dcm",
                "reportsi_with_empty_number_tags.dcm",
            ),
            *("rtplan.dcm", "rtplan_truncated.dcm", "rtstruct.dcm", "test-SR.dcm", "waveform_ecg.dcm"),
            *("ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm"),
        ],
        "no-image",
    ),
}


def read(name: str) -> Dataset:
    return pydicom.dcmread(FILES[name], force=True)


def made(pixels: bytes = bytes(2 * 64), **attributes: object) -> Dataset:
    """An 8 x 8 image of 16 bits, changed at will; None removes an attribute."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = attributes.pop("TransferSyntaxUID", ExplicitVRLittleEndian)
    ds.set_original_encoding(False, ds.file_meta.TransferSyntaxUID != ExplicitVRBigEndian)
    ds.Rows = ds.Columns = 8
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = pixels
    ds["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    return ds


def grey(ds: Dataset, frame: int = 1, window: tuple[float, float] | None = None) -> np.ndarray:
    return render_grey(ds, decode(ds, image_pixel(ds, LIMITS), frame), frame, window).pixels


def ramp(dtype: str = "<u2") -> np.ndarray:
    return np.linspace(-900 if dtype[1] == "i" else 0, 4000, 64).astype(dtype)


def code_of(ds: Dataset) -> str:
    with pytest.raises(Violation) as caught:
        decode(ds, image_pixel(ds, LIMITS), 1)
    return caught.value.code


# ---- every file we have ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_gives_a_picture_or_is_explained(name: str) -> None:
    picture = Picture(io.BytesIO(FILES[name].read_bytes()), LIMITS)
    if name in NOT_SHOWN:
        with pytest.raises(Violation) as caught:
            picture.show(RenderRequest(1, None, 256))
        assert caught.value.code == NOT_SHOWN[name]
        return
    rendered = picture.show(RenderRequest(1, None, 256))
    ds = read(name)
    jpeg = Image.open(io.BytesIO(rendered.jpeg))
    assert jpeg.size == (rendered.width, rendered.height)
    assert max(jpeg.size) == min(256, max(ds.Rows, ds.Columns))
    assert rendered.frames == int(ds.get("NumberOfFrames") or 1)
    assert rendered.monochrome == ds.PhotometricInterpretation.startswith("MONOCHROME")


WINDOWED = [
    name
    for name in sorted(set(FILES) - set(NOT_SHOWN))
    if "MONOCHROME" in (ds := read(name)).PhotometricInterpretation
    and ("WindowCenter" in ds or "VOILUTSequence" in ds)
    and ds.get("BitsAllocated") <= 16
]


@pytest.mark.parametrize("name", WINDOWED)
def test_modality_and_voi_agree_with_pydicom(name: str) -> None:
    ds = read(name)
    stored = pixel_array(ds, index=0)
    theirs = apply_voi_lut(apply_modality_lut(stored, ds), ds, prefer_lut=True)
    if ds.get("VOILUTSequence"):
        low, high = 0, 2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1
    else:
        low, high = apply_windowing(np.array([-1e9, 1e9]), ds)
    expected = (theirs - low) / (high - low) * 255
    if ds.PhotometricInterpretation == "MONOCHROME1":
        expected = 255 - expected
    assert np.abs(grey(ds) - expected).max() <= 1


def test_a_modality_lut_agrees_with_pydicom() -> None:
    ds = read("mlut_18.dcm")
    theirs = apply_modality_lut(pixel_array(ds), ds).astype(float)
    expected = (theirs - theirs.min()) / (theirs.max() - theirs.min()) * 255
    assert np.abs(grey(ds) - expected).max() <= 1


# ---- the Standard's window functions (PS3.3 C.11.2.1.2, C.11.2.1.3) ----------------------------------------


def by_the_book(function: VoiFunction, x: float, c: float, w: float) -> float:
    if function is VoiFunction.SIGMOID:
        return 1 / (1 + math.exp(-4 * (x - c) / w))
    if function is VoiFunction.LINEAR_EXACT:
        if x <= c - w / 2:
            return 0.0
        return 1.0 if x > c + w / 2 else (x - c) / w + 0.5
    if x <= c - 0.5 - (w - 1) / 2:
        return 0.0
    return 1.0 if x > c - 0.5 + (w - 1) / 2 else (x - (c - 0.5)) / (w - 1) + 0.5


@given(
    function=st.sampled_from(VoiFunction),
    x=st.integers(-2000, 4000),
    c=st.integers(-1000, 3000).map(lambda half: half / 2),
    w=st.integers(1, 4000),
)
def test_window_functions_by_the_book(function: VoiFunction, x: int, c: float, w: int) -> None:
    if function is VoiFunction.SIGMOID:
        x = int(np.clip(x, c - 100 * w, c + 100 * w))
    shown = float(Window(c, w, function).apply(np.array([x]))[0])
    assert shown == pytest.approx(by_the_book(function, x, c, w), abs=1e-9)


def test_a_far_value_does_not_overflow_the_sigmoid() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = Window(0, 1e-3, VoiFunction.SIGMOID).apply(np.array([-1e9, 1e9]))
    assert shown == pytest.approx([0, 1])


# ---- the grayscale pipeline on made images ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "bits", "signed"), [("<u2", 16, 0), ("<i2", 16, 1), ("<u4", 32, 0), ("<i4", 32, 1)]
)
def test_whole_range_without_a_window(dtype: str, bits: int, signed: int) -> None:
    pixels = ramp(dtype)
    ds = made(
        pixels.tobytes(), BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1, PixelRepresentation=signed
    )
    values = pixels.astype(float)
    expected = (values - values.min()) / (values.max() - values.min()) * 255
    assert np.abs(grey(ds).reshape(-1) - expected).max() <= 1


def test_an_explicit_window_goes_before_the_objects_own() -> None:
    ds = made(ramp().tobytes(), WindowCenter=1, WindowWidth=2, RescaleSlope=2, RescaleIntercept=-1000)
    values = ramp() * 2.0 - 1000
    expected = np.clip((values - 39.5) / 399 + 0.5, 0, 1) * 255
    assert np.abs(grey(ds, window=(40, 400)).reshape(-1) - expected).max() <= 1


def test_of_several_windows_the_first_applies() -> None:
    ds = made(ramp().tobytes(), WindowCenter=[2000, 1], WindowWidth=[1000, 1])
    assert (grey(ds) == grey(made(ramp().tobytes()), window=(2000, 1000))).all()


@pytest.mark.parametrize(("center", "width"), [(None, 400), (40, None), (40, 0), (40, -5)])
def test_a_window_that_is_none_is_not_used(center: int | None, width: int | None) -> None:
    ds = made(ramp().tobytes())
    ds.WindowCenter, ds.WindowWidth = center, width
    assert (grey(ds) == grey(made(ramp().tobytes()))).all()


def test_monochrome1_is_inverted() -> None:
    inverted = grey(made(ramp().tobytes(), PhotometricInterpretation="MONOCHROME1"))
    assert (inverted == 255 - grey(made(ramp().tobytes()))).all()


@pytest.mark.parametrize("bits", [16, 32])
def test_padding_does_not_stretch_the_range(bits: int) -> None:
    pixels = np.full(64, 60000, f"<u{bits // 8}")
    pixels[:32] = np.arange(100, 132)
    attributes = {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
    ds = made(pixels.tobytes(), PixelPaddingValue=59999, PixelPaddingRangeLimit=60001, **attributes)
    expected = np.minimum((pixels - 100.0) / 31 * 255, 255)
    assert np.abs(grey(ds).reshape(-1) - expected).max() <= 1


def test_a_frame_of_nothing_but_padding_is_shown() -> None:
    ds = made(np.full(64, 7, "<u2").tobytes(), PixelPaddingValue=7)
    assert len(np.unique(grey(ds))) == 1


def test_a_flat_frame_is_black() -> None:
    assert not grey(made(np.full(64, 1234, "<u2").tobytes())).any()


def test_enhanced_objects_carry_their_window_per_frame() -> None:
    def item(keyword: str, **values: float) -> Dataset:
        inner, outer = Dataset(), Dataset()
        for name, value in values.items():
            setattr(inner, name, value)
        setattr(outer, keyword, Sequence([inner]))
        return outer

    pixels = np.concatenate([ramp(), ramp()])
    shared = item("PixelValueTransformationSequence", RescaleSlope=0.5, RescaleIntercept=10)
    frames = [item("FrameVOILUTSequence", WindowCenter=c, WindowWidth=w) for c, w in ((500, 100), (900, 700))]
    ds = made(
        pixels.tobytes(),
        NumberOfFrames=2,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )
    plain = made(ramp().tobytes(), RescaleSlope=0.5, RescaleIntercept=10)
    assert (grey(ds, 1) == grey(plain, window=(500, 100))).all()
    assert (grey(ds, 2) == grey(plain, window=(900, 700))).all()


def test_dose_is_scaled_to_gray() -> None:
    ds = read("rtdose.dcm")
    shown = render_grey(ds, decode(ds, image_pixel(ds, LIMITS), 3), 3, None)
    dose = pixel_array(ds, index=2) * float(ds.DoseGridScaling)
    assert shown.center + shown.width / 2 == pytest.approx(dose.max())
    assert shown.center - shown.width / 2 == pytest.approx(dose.min())


def test_float_pixels_and_their_gaps() -> None:
    values = np.linspace(-1, 1, 64).astype("<f4")
    values[5], values[6] = np.nan, np.inf
    ds = made(BitsAllocated=32, PixelData=None, BitsStored=None, HighBit=None, PixelRepresentation=None)
    ds.FloatPixelData = values.tobytes()
    shown = grey(ds).reshape(-1)
    assert (shown[0], shown[5], shown[6], shown[63]) == (0, 0, 255, 255)


def test_segmentation_bits_are_black_and_white() -> None:
    ds = read("liver.dcm")
    for frame in (1, 2, 3):
        assert (grey(ds, frame) == pixel_array(ds, index=frame - 1) * 255).all()


def test_a_voi_lut_of_one_entry_per_value() -> None:
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [4, 10, 8], [0, 255, 0, 128]
    pixels = np.resize(np.arange(8, 16), 64).astype("<u2")
    ds = made(pixels.tobytes(), VOILUTSequence=Sequence([lut]))
    assert grey(ds)[0].tolist() == [0, 0, 0, 255, 0, 128, 128, 128]


# ---- colour ----------------------------------------------------------------------------------------------


def colours(ds: Dataset) -> np.ndarray:
    image = image_pixel(ds, LIMITS)
    rendered = render(ds, image, decode(ds, image, 1), WHOLE)
    assert not rendered.monochrome
    assert rendered.center is None
    return np.asarray(Image.open(io.BytesIO(rendered.jpeg)).convert("RGB")).astype(int)


def differ(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs.astype(int)).mean())


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_dcmtk_+eb+cy+np.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "US1_J2KR.dcm",
        "color-pl.dcm",
        "color-px.dcm",
    ],
)
def test_colour_agrees_with_pydicom(name: str) -> None:
    ds = read(name)
    assert differ(colours(ds), pixel_array(ds, index=0)) < 4  # what JPEG costs


@pytest.mark.parametrize("bits", [16, 32])
def test_deep_colour_keeps_its_upper_byte(bits: int) -> None:
    ds = read(f"SC_rgb_{bits}bit.dcm")
    assert differ(colours(ds), pixel_array(ds) >> (bits - 8)) < 4


@pytest.mark.parametrize("name", ["examples_palette.dcm", "OBXXXX1A.dcm", "gdcm-US-ALOKA-16.dcm"])
def test_palettes_agree_with_pydicom(name: str) -> None:
    ds = read(name)
    theirs = apply_color_lut(pixel_array(ds), ds)
    first, table = palette_of(ds, little_endian=True)
    ours = table[np.clip(pixel_array(ds).astype(int) - first, 0, len(table) - 1)]
    assert (ours == (theirs >> 8 if theirs.dtype == np.uint16 else theirs)).all()
    assert differ(colours(ds), ours) < 6


def test_a_big_endian_palette_is_the_same_palette() -> None:
    little, big = (
        palette_of(read(name), little_endian=order)[1]
        for name, order in (("OBXXXX1A.dcm", True), ("OBXXXX1A_expb.dcm", False))
    )
    assert (little == big).all()


# ---- size ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("edge", "size"), [(16, (16, 8)), (64, (64, 32)), (65, (64, 32)), (1, (1, 1))])
def test_never_larger_than_asked_nor_than_the_image(edge: int, size: tuple[int, int]) -> None:
    ds = made(bytes(2 * 64 * 32), Rows=32, Columns=64)
    image = image_pixel(ds, LIMITS)
    rendered = render(ds, image, decode(ds, image, 1), RenderRequest(1, None, edge))
    assert (rendered.width, rendered.height) == size


# ---- what is refused, before anything is decoded ---------------------------------------------------------


def j2k(rows: int, columns: int, tile: int | None = None) -> bytes:
    """SOC and SIZ, and nothing behind them."""
    grid = (columns, rows, 0, 0, tile or columns, tile or rows, 0, 0)
    siz = b"".join(number.to_bytes(4, "big") for number in grid) + b"\x00\x01\x0f\x01\x01"
    return b"\xff\x4f\xff\x51" + (len(siz) + 4).to_bytes(2, "big") + b"\x00\x00" + siz


def jpeg(rows: int, columns: int, marker: int = 0xC0) -> bytes:
    """SOI, a comment, SOF, and nothing behind them."""
    sof = b"\x08" + rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + b"\x01\x01\x11\x00"
    return b"\xff\xd8\xff\xfe\x00\x04hi\xff" + bytes([marker]) + (len(sof) + 2).to_bytes(2, "big") + sof


def rle(segments: int, body: bytes) -> bytes:
    return segments.to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + body


ENCAPSULATED = {
    "J2K SIZ claims 65535 squared": (JPEG2000Lossless, j2k(65535, 65535)),
    "J2K claims one column more": (JPEG2000Lossless, j2k(8, 9)),
    "J2K of four billion tiles": (JPEG2000Lossless, j2k(8, 8, tile=0x7FFFFFFF)[:40] + bytes(12)),
    "J2K without SIZ": (JPEG2000Lossless, b"\xff\x4f\xff\x52"),
    "JPEG SOF claims 65535 squared": (JPEGBaseline8Bit, jpeg(65535, 65535)),
    "JPEG-LS SOF55 claims 65535 squared": (JPEGLSLossless, jpeg(65535, 65535, 0xF7)),
    "JPEG of comments only": (JPEGBaseline8Bit, b"\xff\xd8" + b"\xff\xfe\x00\x02" * 20000),
    "JPEG whose segment has no length": (JPEGBaseline8Bit, b"\xff\xd8" + b"\xff\xfe\x00\x00" * 20000),
    "JPEG is empty": (JPEGBaseline8Bit, b""),
    "RLE of fifteen segments": (RLELossless, rle(15, bytes(64))),
    "RLE a thousand times too long": (RLELossless, rle(2, b"\x81\x00" * 64_000)),
}


@pytest.mark.parametrize("case", ENCAPSULATED)
def test_a_codestream_that_lies_is_refused_unopened(case: str) -> None:
    syntax, data = ENCAPSULATED[case]
    ds = made(encapsulate([data or b"\x00"]), TransferSyntaxUID=syntax)
    assert code_of(ds) == "damaged-image"


NATIVE: dict[str, tuple[dict[str, object], str]] = {
    "Rows and Columns 65535": ({"Rows": 65535, "Columns": 65535}, "image-too-large"),
    "64 Mpixel of RGB in 32 bits": (
        {"Rows": 8192, "Columns": 8192, "SamplesPerPixel": 3, "BitsAllocated": 32, "BitsStored": 32},
        "image-too-large",
    ),
    "more rows than pixel data": ({"Rows": 9}, "damaged-image"),
    "NumberOfFrames 999999": ({"NumberOfFrames": 999999}, "damaged-image"),
    "NumberOfFrames negative": ({"NumberOfFrames": -1}, "damaged-image"),
    "no columns": ({"Columns": 0}, "damaged-image"),
    "seven samples": ({"SamplesPerPixel": 7}, "damaged-image"),
    "twelve bits allocated": ({"BitsAllocated": 12}, "damaged-image"),
    "more bits stored than allocated": ({"BitsStored": 17}, "damaged-image"),
    "Rows missing": ({"Rows": None}, "damaged-image"),
    "no pixels": ({"PixelData": None}, "no-image"),
    "12-bit lossy JPEG": (
        {
            "TransferSyntaxUID": JPEGExtended12Bit,
            "BitsStored": 12,
            "PixelData": encapsulate([jpeg(8, 8, 0xC1)]),
        },
        "unsupported-image",
    ),
    "fewer fragments than frames": (
        {
            "TransferSyntaxUID": JPEGBaseline8Bit,
            "NumberOfFrames": 999999,
            "PixelData": encapsulate([jpeg(8, 8)]),
        },
        "damaged-image",
    ),
    "an unknown transfer syntax": ({"TransferSyntaxUID": pydicom.uid.UID("1.2.3.4")}, "unsupported-image"),
    "video": (
        {"TransferSyntaxUID": pydicom.uid.MPEG2MPML, "PixelData": encapsulate([b"00"])},
        "unsupported-image",
    ),
}


@pytest.mark.parametrize("case", NATIVE)
def test_attributes_that_cannot_be(case: str) -> None:
    attributes, code = NATIVE[case]
    assert code_of(made(**attributes)) == code


@pytest.mark.parametrize("photometric", ["HSV", "", "MONOCHROME3"])
def test_an_unknown_photometric_interpretation_is_refused(photometric: str) -> None:
    ds = made(PhotometricInterpretation=photometric)
    image = image_pixel(ds, LIMITS)
    with pytest.raises(Violation) as caught:
        render(ds, image, np.zeros((8, 8), np.uint16), WHOLE)
    assert caught.value.code == "unsupported-image"


@pytest.mark.parametrize("frame", [3, 0x7FFFFFFF])
def test_a_frame_that_is_not_there(frame: int) -> None:
    ds = made(bytes(256), NumberOfFrames=2)
    with pytest.raises(Violation) as caught:
        decode(ds, image_pixel(ds, LIMITS), frame)
    assert caught.value.code == "no-such-frame"


@pytest.mark.parametrize("descriptor", [[4, 0, 8], [0, 0, 16], [8, 0, 7], [8, 0, 17]])
def test_a_lut_shorter_than_it_says_or_of_odd_depth_is_refused(descriptor: list[int]) -> None:
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = descriptor, [1, 2, 3]
    with pytest.raises(Violation) as caught:
        grey(made(VOILUTSequence=Sequence([lut])))
    assert caught.value.code == "damaged-image"


def test_big_endian_pixels() -> None:
    ds = made(ramp(">u2").tobytes(), TransferSyntaxUID=ExplicitVRBigEndian)
    assert (grey(ds) == grey(made(ramp().tobytes()))).all()


def test_a_new_window_needs_no_second_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Picture(io.BytesIO(FILES["693_J2KI.dcm"].read_bytes()), LIMITS)
    first = picture.show(WHOLE)
    monkeypatch.setattr("leadglass.archive.rendering.pixels.decode", None)
    again = picture.show(RenderRequest(1, (10, 20), 4096))
    assert (again.width, again.height) == (first.width, first.height)
    assert again.jpeg != first.jpeg
