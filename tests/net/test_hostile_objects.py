"""Objects that mean no good, sent as a scanner sends them: each gets a status, nothing else is harmed by any.

After every one of them the association goes on, the next object is stored, what was held is let go, and neither a
name on disk nor a line of the log has anything of the object in it.
"""

from __future__ import annotations

import re
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from leadglass.access.passwords import Cost

sys.path.insert(0, str(Path(__file__).parent))  # as in test_hostile.py
pytest.register_assert_rewrite("raw_peer", "ground", "test_hostile")

import raw_peer as raw  # noqa: E402
from ground import Ground, archive  # noqa: E402
from raw_peer import CT, Peer  # noqa: E402
from test_hostile import unharmed  # noqa: E402

PLANTED = "NOBODY^PLANTED"
DEFLATED, JPEG, J2K, RLE = (
    "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5",
)  # fmt: skip
SYNTAXES = (raw.EXPLICIT, raw.IMPLICIT, DEFLATED, JPEG, J2K, RLE)
CONTEXTS: raw.Contexts = tuple((2 * number + 1, CT, (uid,)) for number, uid in enumerate(SYNTAXES))
SUCCESS, NO_MATCH, CONTRADICTION, CANNOT_UNDERSTAND = 0x0000, 0xA900, 0xC001, 0xC000
MEGABYTE = 1 << 20
UNDEFINED = b"\xff\xff\xff\xff"
ITEM, ITEM_END, SEQUENCE_END = (struct.pack("<HH", 0xFFFE, number) for number in (0xE000, 0xE00D, 0xE0DD))
SEQUENCE = struct.pack("<HH2sH", 0x0040, 0x0275, b"SQ", 0)


def element(tag: int, vr: str, value: bytes | str) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    content += (b"\0" if vr == "UI" else b" ") * (len(content) % 2)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in ("OB", "OW", "SQ", "UN", "UT"):
        return head + struct.pack("<HI", 0, len(content)) + content
    return head + struct.pack("<H", len(content)) + content


def image(uid: str, *more: bytes, named: str = PLANTED, pixels: bytes | None = None, **other: str) -> bytes:
    """A small CT image; `more` stands before its UIDs of study and series, as elements have to be in order."""
    uids = {"instance": uid, "study": f"{uid}.1", "series": f"{uid}.2"} | other
    return b"".join((
        element(0x00080016, "UI", CT),
        element(0x00080018, "UI", uids["instance"]),
        element(0x00080060, "CS", "CT"),
        element(0x00100010, "PN", named),
        element(0x00100020, "LO", f"ID-{uid}"),
        element(0x0020000D, "UI", uids["study"]),
        element(0x0020000E, "UI", uids["series"]),
        *more,
        element(0x7FE00010, "OW", bytes(32)) if pixels is None else pixels,
    ))  # fmt: skip


def nested(depth: int, *, closed: bool = True) -> bytes:
    begins = (SEQUENCE + UNDEFINED + ITEM + UNDEFINED) * depth
    return begins + (ITEM_END + bytes(4) + SEQUENCE_END + bytes(4)) * depth * closed


def deflated(content: bytes) -> bytes:
    squeezed = zlib.compressobj(9, wbits=-15)
    return squeezed.compress(content) + squeezed.flush()


def encapsulated(*fragments: bytes) -> bytes:
    """Pixel data in fragments, behind an empty offset table (PS3.5 A.4)."""
    items = b"".join(ITEM + struct.pack("<I", len(each)) + each for each in (b"", *fragments))
    head = struct.pack("<HH2sH", 0x7FE0, 0x0010, b"OB", 0) + UNDEFINED
    return head + items + SEQUENCE_END + bytes(4)


def jpeg(rows: int, columns: int) -> bytes:
    """No more than its header."""
    frame = struct.pack(">BHHBBBB", 12, rows, columns, 1, 1, 0x11, 0)
    return b"\xff\xd8\xff\xc1" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


UID = "1.2.3.100"
HUGE = (
    element(0x00280008, "IS", "999999"),
    element(0x00280010, "US", b"\xff\xff"),
    element(0x00280011, "US", b"\xff\xff"),
)
CASES: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "sequences 50 deep": (raw.EXPLICIT, lambda: image(UID, nested(50)), CANNOT_UNDERSTAND),
    "sequences 10 deep": (raw.EXPLICIT, lambda: image(UID, nested(10)), SUCCESS),
    "sequences 100,000 deep": (raw.EXPLICIT, lambda: image(UID, nested(100_000)), CANNOT_UNDERSTAND),
    "sequences that are never closed": (
        raw.EXPLICIT, lambda: image(UID, nested(5, closed=False)), CANNOT_UNDERSTAND,
    ),
    "a sequence of 4 GB": (raw.EXPLICIT, lambda: image(UID, SEQUENCE + b"\xfe\xff\xff\xff"), CANNOT_UNDERSTAND),
    "an item longer than its sequence": (
        raw.EXPLICIT,
        lambda: image(UID, SEQUENCE + struct.pack("<I", 8) + ITEM + struct.pack("<I", 5000)),
        CANNOT_UNDERSTAND,
    ),
    "a value of 4 GB": (
        raw.EXPLICIT,
        lambda: image(UID, struct.pack("<HH2sHI", 0x0040, 0xA160, b"UT", 0, 0xFFFFFFF0)),
        CANNOT_UNDERSTAND,
    ),
    "half a million elements": (
        raw.EXPLICIT,
        lambda: image(UID, b"".join(element(0x00210000 | n, "LO", "") for n in range(0x10000)) * 8),
        CANNOT_UNDERSTAND,
    ),
    "a thousand bytes out of one": (
        DEFLATED, lambda: deflated(image(UID, element(0x00204000, "UT", bytes(100 * MEGABYTE)))), CANNOT_UNDERSTAND,
    ),
    "what inflates to nothing that ends": (DEFLATED, lambda: deflated(image(UID))[:-6], CANNOT_UNDERSTAND),
    "what does not inflate": (DEFLATED, lambda: image(UID), CANNOT_UNDERSTAND),
    "an image of 65535 by 65535, a million times": (
        JPEG, lambda: image(UID, *HUGE, pixels=encapsulated(jpeg(65535, 65535))), SUCCESS,
    ),
    "the same in JPEG 2000": (
        J2K, lambda: image(UID, *HUGE, pixels=encapsulated(b"\xff\x4f\xff\x51" + b"\xff" * 60)), SUCCESS,
    ),
    "the same in RLE": (
        RLE, lambda: image(UID, *HUGE, pixels=encapsulated(b"\x0f\0\0\0" + b"\xff" * 60)), SUCCESS,
    ),
    "pixel data in 10,000 fragments": (
        JPEG, lambda: image(UID, pixels=encapsulated(*[b"\xff\xd8"] * 10_000)), SUCCESS,
    ),
    "fragments that never end": (JPEG, lambda: image(UID, pixels=encapsulated(b"ab")[:-8]), CANNOT_UNDERSTAND),
    "a UID that is a path": (
        raw.EXPLICIT, lambda: image(UID, instance="../../../../tmp/planted"), NO_MATCH,
    ),
    "a study that is a path": (raw.EXPLICIT, lambda: image(UID, study="../../tmp/planted"), NO_MATCH),
    "a UID with a NUL in it": (raw.EXPLICIT, lambda: image(UID, instance="1.2\0.3"), NO_MATCH),
    "a UID of 65 characters": (raw.EXPLICIT, lambda: image(UID, study="1." + "2" * 63), NO_MATCH),
    "a UID of 64 KB": (raw.EXPLICIT, lambda: image(UID, series="1." + "2" * 65_000), NO_MATCH),
    "no UID": (raw.EXPLICIT, lambda: image(UID, instance=""), NO_MATCH),
    "another UID than the command's": (raw.EXPLICIT, lambda: image(UID, instance="1.2.3.4.5"), NO_MATCH),
    "two values of one element": (
        raw.EXPLICIT, lambda: image(UID, element(0x0020000E, "UI", "1.2.9")), CANNOT_UNDERSTAND,
    ),
    "a character set that hides delimiters": (
        raw.EXPLICIT, lambda: element(0x00080005, "CS", "\\ISO 2022 IR 87") + image(UID, named="\x1b$B^=\\^="), SUCCESS,
    ),
    "a name that turns the line around": (
        raw.EXPLICIT,
        lambda: element(0x00080005, "CS", "ISO_IR 192") + image(UID, named=f"\u202e{PLANTED}\u202d\x1b[2J\x07"),
        SUCCESS,
    ),
    "a name that is no text": (raw.EXPLICIT, lambda: image(UID, named="\xed\xa0\x80\xc0\xaf"), SUCCESS),
    "a file instead of a data set": (
        raw.EXPLICIT, lambda: b"MZ".ljust(128, b"\0") + b"DICM" + image(UID), CANNOT_UNDERSTAND,
    ),
    "a program": (raw.EXPLICIT, lambda: b"\x7fELF" + bytes(1000), CANNOT_UNDERSTAND),
    "nothing": (raw.EXPLICIT, lambda: b"", CANNOT_UNDERSTAND),
    "an odd end": (raw.EXPLICIT, lambda: image(UID)[:-3], CANNOT_UNDERSTAND),
    "another syntax than was agreed on": (raw.IMPLICIT, lambda: image(UID), SUCCESS),
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="module")
def house(root: Path) -> Iterator[Ground]:
    with pytest.MonkeyPatch.context() as patch, structlog.testing.capture_logs() as said:
        patch.setattr("leadglass.compose.HASH_COST", Cost(memory=8, passes=1, lanes=1))
        with archive(root, said) as made:
            yield made


@pytest.fixture
def place(house: Ground) -> Iterator[Ground]:
    yield from unharmed(house)


def associated(place: Ground) -> Peer:
    return Peer.associated(place.port, raw.associate_rq(contexts=CONTEXTS))


def stored(peer: Peer, syntax: str, data_set: bytes, uid: str = UID) -> tuple[int, str]:
    """Status and Error Comment."""
    context = 2 * SYNTAXES.index(syntax) + 1
    peer.send(raw.message(context, raw.store_rq(uid), data_set, peer.longest))
    found = peer.response()
    return int.from_bytes(found[0x0900], "little"), found.get(0x0902, b"").decode("ascii")


@pytest.mark.parametrize("what", CASES)
def test_it_gets_a_status_and_harms_nothing_else(what: str, place: Ground, root: Path) -> None:
    number = list(CASES).index(what)
    syntax, make, expected = CASES[what]
    data_set = make().replace(UID.encode(), f"1.2.3.{number + 100}".encode())
    peer = associated(place)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        status, comment = stored(peer, syntax, data_set, f"1.2.3.{number + 100}")
        most = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert hex(status) == hex(expected)
    assert bool(comment) == (status != SUCCESS)
    assert "PLANTED" not in comment
    assert most < 64 * MEGABYTE + 3 * len(data_set)  # what we hold of it ourselves counts as well
    after = f"1.2.4.{number + 100}"
    assert stored(peer, raw.EXPLICIT, image(after, named="Next^One"), after) == (SUCCESS, "")
    peer.release()
    said: Any = repr(place.lines)
    assert "PLANTED" not in said and "planted" not in said
    assert not any(line["log_level"] == "error" for line in place.lines)
    assert all(named_by_us(path) for path in (root / "home" / "objects").rglob("*"))
    assert not Path("/tmp/planted").exists()


def named_by_us(path: Path) -> bool:
    return re.fullmatch(r"[0-9a-f]{2}|[0-9a-f]{32}", path.name) is not None


def test_other_content_under_a_known_uid_is_refused_and_what_was_there_stays(place: Ground) -> None:
    peer = associated(place)
    uid = "1.2.5.1"
    one, other = (image(uid, named=f"{PLANTED}^{number}") for number in (1, 2))
    assert stored(peer, raw.EXPLICIT, one, uid) == (SUCCESS, "")
    status, comment = stored(peer, raw.EXPLICIT, other, uid)
    assert status == CONTRADICTION and comment
    assert stored(peer, raw.EXPLICIT, one, uid) == (SUCCESS, "")
    peer.release()
    assert [line["code"] for line in place.lines if line["event"] == "object kept aside"] == ["other-content"]
