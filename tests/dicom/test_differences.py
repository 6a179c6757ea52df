"""Two headers side by side: what differs, at any depth, and nothing that only takes up room."""

from __future__ import annotations

import struct

from leadglass.dicom.dataset import DataSet, Element
from leadglass.dicom.differences import Difference, differences, listed

NAME, ID, SERIES, COMMENTS, REQUESTS, ROWS = (
    0x00100010,
    0x00100020,
    0x0020000E,
    0x00104000,
    0x00400275,
    0x00280010,
)


def of(*elements: tuple[int, str, object]) -> DataSet:
    return {tag: Element(tag, vr, value) for tag, vr, value in elements}  # type: ignore[arg-type]


def test_only_what_differs_with_name_tag_and_both_values() -> None:
    here = of((NAME, "PN", b"Roentgen^Anna "), (ID, "LO", b"P-1 "), (ROWS, "US", struct.pack("<H", 16)))
    there = of((NAME, "PN", b"Roentgen^Anne"), (ID, "LO", b"P-1 "), (COMMENTS, "LT", b""))
    lines, more = differences(here, there)
    assert lines == (
        Difference("(0010,0010)", "Patient's Name", "Roentgen^Anna", "Roentgen^Anne"),
        Difference("(0010,4000)", "Patient Comments", None, ""),
        Difference("(0028,0010)", "Rows", "16", None),
    )
    assert not more


def test_padding_and_group_lengths_are_no_difference() -> None:
    there = of((ID, "LO", b"P "), (0x00100000, "UL", b"\0\0\0\1"))
    assert differences(of((ID, "LO", b"P")), there) == ((), False)


def test_items_are_compared_in_their_order_at_any_depth() -> None:
    inner = lambda code: of((0x00080100, "SH", code))  # noqa: E731
    here = of((REQUESTS, "SQ", (of((0x00400008, "SQ", (inner(b"A"),)), (0x00400009, "SH", b"S")),)))
    there = of((REQUESTS, "SQ", (of((0x00400008, "SQ", (inner(b"B"),)), (0x00400009, "SH", b"S")), of())))
    lines, _ = differences(here, there)
    path = "Request Attributes Sequence 1 › Scheduled Protocol Code Sequence 1 › Code Value"
    assert [(line.name, line.here, line.there) for line in lines] == [
        ("Request Attributes Sequence", "1 item", "2 items"),
        (path, "A", "B"),
    ]


def test_private_and_binary_values_are_sizes() -> None:
    here = of((0x00291010, "LO", b"Secret"), (0x00420011, "OB", b"%PDF"))
    there = of((0x00291010, "LO", b"Hidden"), (0x00420011, "OB", b"%PDF-1"), (0x00291011, "SQ", (of(),)))
    lines, _ = differences(here, there)
    assert [(line.name, line.here, line.there) for line in lines] == [
        ("Private attribute", "private, 6 bytes", "private, 6 bytes"),
        ("Private attribute", None, "private, 1 item"),
        ("Encapsulated Document", "4 bytes", "6 bytes"),
    ]


def test_what_cannot_be_parsed_is_shown_as_that() -> None:
    lines, _ = differences(of((ROWS, "US", b"\1\2\3")), of((ROWS, "US", b"\1\0"), (0x00289999, "UN", b"xyz")))
    assert [(line.here, line.there) for line in lines] == [("unreadable, 3 bytes", "1"), (None, "3 bytes")]


def test_character_sets_and_control_characters() -> None:
    here = of((0x00080005, "CS", b"ISO_IR 192"), (NAME, "PN", "Müller".encode()))
    there = of(
        (0x00080005, "CS", b"ISO_IR 100"), (NAME, "PN", b"M\xfcller"), (COMMENTS, "LT", b"a\x1b[2Jb\r\nc")
    )
    lines, _ = differences(here, there)
    assert [(line.here, line.there) for line in lines] == [
        ("ISO_IR 192", "ISO_IR 100"),
        (None, "a [2Jb  c"),
    ]


def test_long_values_many_numbers_and_many_lines_are_cut() -> None:
    there = of(
        (COMMENTS, "LT", b"x" * 5000),
        (0x00720064, "IS", b"1"),
        (0x00720072, "FL", struct.pack("<40f", *range(40))),
    )
    comments, _, numbers = listed(there)
    assert comments.there is not None
    assert len(comments.there) == 201
    assert numbers.there == "\\".join(map(str, range(16))) + "\\…"
    many = of(*((0x00091000 + n, "LO", b"x") for n in range(900)))
    lines, more = differences({}, many)
    assert (len(lines), more) == (300, True)


def test_uids_have_their_names_and_only_some_tags_can_be_asked_for() -> None:
    there = of((0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0"), (ID, "LO", b"P"))
    [line] = listed(there, only=frozenset({0x00080016}))
    assert line.there == "1.2.840.10008.5.1.4.1.1.2 (CT Image Storage)"
