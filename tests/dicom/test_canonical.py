"""The form that all encodings of the same values in one transfer syntax have in common, and no other values have."""

from __future__ import annotations

import io
import tracemalloc
import warnings
import zlib
from collections.abc import Iterator
from types import SimpleNamespace

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom_files import CORPUS

from leadglass.dicom import dictionary
from leadglass.dicom.dataset import DataSet, DatasetParser, Limits
from leadglass.dicom.dictionary import TransferSyntax, transfer_syntax
from leadglass.dicom.part10 import Part10Parser, write_file_meta
from leadglass.dicom.transcode import canonical
from leadglass.dicom.writer import encode_dataset
from leadglass.errors import LimitExceeded, MalformedDataSet, Violation

EXPLICIT = dictionary.EXPLICIT_VR_LITTLE_ENDIAN
IMPLICIT = dictionary.IMPLICIT_VR_LITTLE_ENDIAN
DEFLATED = dictionary.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
JPEG = transfer_syntax("1.2.840.10008.1.2.4.50")
ICON, REFERENCES, UID, PIXELS, PADDING = 0x00880200, 0x00081140, 0x00081155, 0x7FE00010, 0xFFFCFFFC


def split(data: bytes) -> tuple[TransferSyntax, bytes] | None:
    """Transfer syntax and data set of a Part 10 file that we accept."""
    parser = Part10Parser()
    try:
        parser.feed(data)
        parser.close()
    except Violation:
        return None
    assert parser.transfer_syntax is not None
    return parser.transfer_syntax, data[parser.dataset_offset :]


FILES = {name: found for name, path in CORPUS.items() if (found := split(path.read_bytes())) is not None}
each_file = pytest.mark.parametrize("name", FILES)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def form(data: bytes, syntax: TransferSyntax = EXPLICIT, size: int = 65_536) -> bytes:
    return b"".join(canonical(pieces(data, size), syntax, Limits()))


def theirs(data: bytes, syntax: TransferSyntax) -> pydicom.Dataset:
    meta = write_file_meta(
        sop_class_uid="1.2.3",
        sop_instance_uid="1.2.3.4",
        transfer_syntax_uid=syntax.uid,
        implementation_class_uid="1.2.3.5",
        implementation_version="TEST",
    )
    read = pydicom.dcmread(io.BytesIO(meta + data))
    read.pop(PADDING, None)
    return read


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@each_file
def test_no_value_is_lost(name: str, oracle: SimpleNamespace) -> None:
    """Of no file, in no transfer syntax: pydicom reads from the form what it reads from the file."""
    syntax, body = FILES[name]
    written = form(body, syntax)
    before, after = theirs(body, syntax), theirs(written, EXPLICIT if syntax.deflated else syntax)
    if syntax.encapsulated and PIXELS in before:
        before[PIXELS].VR = "OB"  # PS3.5 A.4; some writers say OW
    assert oracle.differences(before, after, swap=False, implicit=not syntax.explicit) == []


@each_file
def test_the_form_of_the_form_is_itself_in_any_chunks(name: str) -> None:
    syntax, body = FILES[name]
    written = form(body, syntax)
    assert form(written, EXPLICIT if syntax.deflated else syntax) == written
    assert form(body, syntax, 1 if len(body) < 12_000 else 997 if len(body) < 200_000 else 8191) == written


def test_every_kind_of_transfer_syntax_is_tried() -> None:
    assert len({syntax.uid for syntax, _ in FILES.values()}) == 12


# --- what counts and what does not ------------------------------------------------------------------------


def packed(data: bytes, level: int) -> bytes:
    stream = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    done = stream.compress(data) + stream.flush()
    return done + bytes(len(done) % 2)


def fragments(build: SimpleNamespace, *parts: bytes, tag: int = PIXELS) -> bytes:
    items = b"".join(build.implicit(0xFFFEE000, part) for part in parts)
    return build.explicit(tag, "OB", items, length=build.UNDEFINED) + build.implicit(0xFFFEE0DD)


def test_lengths_and_delimiters_are_alike(build: SimpleNamespace) -> None:
    one = build.explicit(UID, "UI", b"1.2\0")
    forms = {
        form(
            build.sequence(REFERENCES, *(build.item(part, open_ended=a) for part in (one, b"")), open_ended=b)
        )
        for a in (False, True)
        for b in (False, True)
    }
    assert len(forms) == 1


def test_group_lengths_and_padding_do_not_count(build: SimpleNamespace) -> None:
    name = build.explicit(0x00100010, "PN", b"A^B ")
    plain = form(name + fragments(build, b"", b"\1\2"), JPEG)
    length = build.explicit(0x00100000, "UL", b"\x0c\0\0\0")
    for size in (0, 2, 1000, 300_000):
        padding = build.explicit(PADDING, "OB", bytes(size))
        for chunk in (5, 4096):
            assert form(length + name + fragments(build, b"", b"\1\2") + padding, JPEG, chunk) == plain


def test_fragments_are_ob_whatever_their_writer_said(build: SimpleNamespace) -> None:
    written = fragments(build, b"", b"\1\2")
    assert form(written.replace(b"OB", b"OW"), JPEG) == form(written, JPEG)


def test_how_well_it_was_deflated_does_not_count() -> None:
    body = encode_dataset([(0x00204000, "LT", b"again and again " * 100)], EXPLICIT)
    assert {form(packed(body, level), DEFLATED) for level in (0, 1, 9)} == {form(body)}


def test_all_else_counts(build: SimpleNamespace) -> None:
    """Each of these is another object."""
    a, b = build.explicit(0x00080050, "SH", b"A "), build.explicit(0x00080060, "CS", b"CT")
    one, two = build.item(build.explicit(UID, "UI", b"1\0")), build.item(build.explicit(UID, "UI", b"2\0"))
    objects = [
        a,
        b,
        a + b,
        b + a,
        a + a,
        build.explicit(0x00080050, "SH", b"a "),
        build.explicit(0x00080050, "SH", b"A   "),
        build.explicit(0x00080050, "SH", b""),
        build.explicit(0x00080050, "LO", b"A "),
        build.explicit(0x00090010, "LO", b"A "),
        *(build.sequence(REFERENCES, *items) for items in ((), (one,), (two,), (one, two), (two, one))),
        build.sequence(ICON, one),
        build.sequence(REFERENCES, build.item(build.sequence(REFERENCES, one))),
        build.explicit(REFERENCES, "UN", one),
        build.explicit(PIXELS, "OB", b"\1\2\3\4"),
        build.explicit(PIXELS, "OW", b"\1\2\3\4"),
        build.explicit(PIXELS, "OB", b"\1\2\3\5"),
        fragments(build, b"", b"\1\2\3\4"),
        fragments(build, b"\1\2\3\4"),
        fragments(build, b"", b"\1\2", b"\3\4"),
        fragments(build, b"\0\0\0\0", b"\1\2\3\4"),
        fragments(build, b"", b"\1\2\3\4") + build.explicit(0xFFFAFFFA, "SQ", b""),
        build.sequence(ICON, build.item(fragments(build, b"", b"\1\2\3\4"))),
    ]
    assert len({form(each, JPEG) for each in objects}) == len(objects) - 1  # UN is read as the SQ that it is


SMALL = ["rtplan.dcm", "reportsi.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm"]


@given(
    name=st.sampled_from(SMALL),
    patches=st.lists(
        st.tuples(st.integers(0, 3500), st.binary(min_size=1, max_size=4)), min_size=1, max_size=3
    ),
)
def test_what_reads_differently_has_another_form(name: str, patches: list[tuple[int, bytes]]) -> None:
    syntax, body = FILES[name]
    damaged = bytearray(body)
    for at, patch in patches:
        damaged[at : at + len(patch)] = patch
    try:
        other, new = read(bytes(damaged), syntax), form(bytes(damaged), syntax)
    except Violation:
        return
    if new == form(body, syntax):
        assert other == read(body, syntax)


def read(body: bytes, syntax: TransferSyntax) -> DataSet:
    """What our parser keeps, without what does not count."""
    parser = DatasetParser(syntax)
    parser.feed(body)
    parser.close()
    return significant(parser.elements)


def significant(elements: DataSet) -> DataSet:
    return {
        tag: element._replace(value=tuple(map(significant, element.value)))
        if isinstance(element.value, tuple)
        else element
        for tag, element in elements.items()
        if tag & 0xFFFF and tag != PADDING
    }


# --- limits -----------------------------------------------------------------------------------------------


def test_memory_is_bounded(build: SimpleNamespace) -> None:
    size = 48 << 20
    head = build.explicit(PIXELS, "OB", length=build.UNDEFINED) + build.implicit(0xFFFEE000, length=size)
    end = build.implicit(0xFFFEE0DD) + build.explicit(PADDING, "OB", length=size)

    def sent() -> Iterator[bytes]:
        yield head
        yield from (bytes(1 << 16) for _ in range(size >> 16))
        yield end
        yield from (bytes(1 << 16) for _ in range(size >> 16))

    tracemalloc.start()
    try:
        total = sum(map(len, canonical(sent(), JPEG, Limits())))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == size + len(head) + 8
    assert peak < 2 << 20


def test_fragments_that_do_not_add_up_are_refused(build: SimpleNamespace) -> None:
    whole = fragments(build, b"", b"\1\2")
    open_item = build.explicit(PIXELS, "OB", length=build.UNDEFINED) + build.implicit(
        0xFFFEE000, length=build.UNDEFINED
    )
    too_long = build.implicit(0xFFFEE000, length=500)
    inside = build.sequence(ICON, build.item(fragments(build)[:-8] + too_long))
    element = fragments(build)[:-8] + build.explicit(0x00100010, "PN", b"A ")
    for body in (whole[:-1], whole[:-8], whole[:-9], open_item + bytes(8), inside + bytes(500), element):
        with pytest.raises(MalformedDataSet):
            form(body, JPEG)


def test_their_number_is_limited(build: SimpleNamespace) -> None:
    with pytest.raises(LimitExceeded):
        list(canonical([fragments(build, *[b""] * 20)], JPEG, Limits(fragments=10)))
