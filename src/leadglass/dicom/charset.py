"""Specific Character Set (0008,0005): text bytes to str (PS3.3 C.12.1.1.2, PS3.5 6.1).

Without code extensions one Python codec does it. With them (ISO 2022) two halves are in use at any time,
G0 for bytes below 0x80 and G1 for the others, and escape sequences replace one of them:

    ESC $ B …kanji… ESC ( B ^ …             G0: ASCII → JIS X 0208 → ASCII
    ESC $ ) C …hangul… ^ …                  G1: KS X 1001 until the delimiter

Both fall back to what the attribute's first value says at the end of a line or page, at a tab, at each
value's end and, in names, at ^ and = (PS3.5 6.1.2.5.3), so no escape sequence reaches past a delimiter.
While a two-byte set is in G0 those codes are halves of characters, so there the escape sequence that ends
it is what counts.

Decoding never raises: what is illegal becomes U+FFFD (Latin-1 where nothing but ASCII was announced).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from leadglass.dicom.dictionary import SPECIFIC_CHARACTER_SET
from leadglass.dicom.elements import DataSet

_Decode = Callable[[bytes], str]
_BAD: Final = "\ufffd"


def _by_codec(name: str) -> _Decode:
    return lambda run: run.decode(name, "replace")


def _katakana(run: bytes) -> str:
    """JIS X 0201, upper half (ISO-IR 13)."""
    return "".join(chr(0xFF61 + byte - 0xA1) if 0xA1 <= byte <= 0xDF else _BAD for byte in run)


def _high(run: bytes) -> bytes:
    return bytes(byte | 0x80 for byte in run)


def _kanji(run: bytes) -> str:
    """JIS X 0208 (ISO-IR 87)."""
    return _high(run).decode("euc_jp", "replace")


def _supplementary_kanji(run: bytes) -> str:
    """JIS X 0212 (ISO-IR 159): in EUC each pair follows a single shift 3."""
    pairs = (b"\x8f" + _high(run[i : i + 2]) for i in range(0, len(run), 2))
    return b"".join(pairs).decode("euc_jp", "replace")


@dataclass(frozen=True, slots=True)
class _Half:
    """A set of characters invoked in G0 or G1."""

    decode: _Decode
    wide: bool = False  # two bytes each


_ASCII: Final = _Half(_by_codec("ascii"))
_UNANNOUNCED: Final = _Half(_by_codec("latin-1"))  # G1 of a data set that announced none
_KANJI: Final = _Half(_kanji, wide=True)
_KANJI_2: Final = _Half(_supplementary_kanji, wide=True)
_KATAKANA: Final = _Half(_katakana)
_HANGUL: Final = _Half(_by_codec("euc_kr"))
_HANZI: Final = _Half(_by_codec("gb2312"))

# ISO-IR number → (Python's codec, final byte of the escape sequence); PS3.3 Tables C.12-2, C.12-3.
_SINGLE_BYTE: Final = {
    100: ("iso8859_1", b"A"),
    101: ("iso8859_2", b"B"),
    109: ("iso8859_3", b"C"),
    110: ("iso8859_4", b"D"),
    126: ("iso8859_7", b"F"),
    127: ("iso8859_6", b"G"),
    138: ("iso8859_8", b"H"),
    144: ("iso8859_5", b"L"),
    148: ("iso8859_9", b"M"),
    166: ("iso8859_11", b"T"),
    203: ("iso8859_15", b"b"),
}
_G1_BY_NUMBER: Final[Mapping[int, _Half]] = {
    **{number: _Half(_by_codec(codec)) for number, (codec, _) in _SINGLE_BYTE.items()},
    13: _KATAKANA,
    58: _HANZI,
    149: _HANGUL,
}

# Escape sequence → (0 for G0 or 1 for G1, what it invokes); PS3.3 Tables C.12-3 and C.12-4.
# JIS X 0201's lower half (ESC ( J) is read as ASCII: DICOM needs its 0x5C as a backslash.
_ESCAPES: Final[Mapping[bytes, tuple[int, _Half]]] = {
    b"\x1b(B": (0, _ASCII),
    b"\x1b(J": (0, _ASCII),
    b"\x1b$B": (0, _KANJI),
    b"\x1b$(D": (0, _KANJI_2),
    b"\x1b)I": (1, _KATAKANA),
    b"\x1b$)C": (1, _HANGUL),
    b"\x1b$)A": (1, _HANZI),
    **{b"\x1b-" + final: (1, _G1_BY_NUMBER[number]) for number, (_, final) in _SINGLE_BYTE.items()},
}

# Sets that allow no code extensions (PS3.3 Table C.12-5).
_STAND_ALONE: Final = {
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO 2022 GBK": "gbk",
    "ISO 2022 58": "gb2312",
}
# Tolerance: ISO-IR 100, ISO IR 100, ISO_2022_IR_87 … are written too.
_TERM: Final = re.compile(r"ISO[ _-]?(2022[ _-])?IR[ _-]?(\d{1,3})")

# One piece of extended text: an escape sequence, a delimiter, or a run in one half.
_PIECES: Final = re.compile(
    rb"\x1b\$?[()-]?[A-Za-z]?|[\t\n\f\r\\^=]|[\x80-\xff]+|[^\x1b\t\n\f\r\\^=\x80-\xff]+"
)
# In a wide G0, everything that may be half of a character, and the single bytes between.
_WIDE_PIECES: Final = re.compile(
    rb"\x1b\$?[()-]?[A-Za-z]?|[\t\n\f\r]|[\x80-\xff]+|[!-~]+|[^\x1b!-~\x80-\xff]"
)
_LINE: Final = frozenset({b"\t", b"\n", b"\f", b"\r", b"\\"})
_NAME: Final = _LINE | {b"^", b"="}


@dataclass(frozen=True, slots=True)
class Charset:
    """A decoder for the text of one data set; make it with `charset(terms)`.

    `codec` decodes text without escape sequences; `g1` and `extended` say what to do with those that have.
    """

    codec: str = "latin-1"
    g1: _Half = _UNANNOUNCED
    extended: bool = False

    def decode(self, raw: bytes, *, name: bool = False) -> str:
        """`raw` as text; `name` for PN, where ^ and = are delimiters too."""
        if self.extended and b"\x1b" in raw:
            return self._decode_extended(raw, _NAME if name else _LINE)
        if raw.isascii():
            return raw.decode("ascii")
        if self.extended:
            return self._decode_extended(raw, _NAME if name else _LINE)
        return raw.decode(self.codec, "replace")

    def decode_checked(self, raw: bytes, *, name: bool = False) -> tuple[str, bool]:
        """The text, and whether every byte was legal in this character set."""
        text = self.decode(raw, name=name)
        unannounced = self.g1 is _UNANNOUNCED and self.codec == "latin-1" and not raw.isascii()
        return text, _BAD not in text and "\x1b" not in text and not (unannounced and not self.extended)

    def _decode_extended(self, raw: bytes, delimiters: frozenset[bytes]) -> str:
        halves = [_ASCII, self.g1]
        out: list[str] = []
        at = 0
        while at < len(raw):
            match = (_WIDE_PIECES if halves[0].wide else _PIECES).match(raw, at)
            assert match is not None  # between them the classes hold every byte
            piece, at = match.group(), match.end()
            if piece[0] == 0x1B:
                half, invoked = _ESCAPES.get(piece, (0, None))
                if invoked is None:
                    out.append(_BAD)
                else:
                    halves[half] = invoked
            elif piece in delimiters and not (halves[0].wide and piece[0] > 0x20):
                halves = [_ASCII, self.g1]
                out.append(piece.decode("ascii"))
            elif piece[0] >= 0x80:
                out.append(halves[1].decode(piece))
            else:
                out.append((halves[0] if piece[0] > 0x20 or not halves[0].wide else _ASCII).decode(piece))
        return "".join(out)


DEFAULT: Final = Charset()


@lru_cache(maxsize=256)
def _charset(terms: tuple[str, ...]) -> Charset:
    first = terms[0]
    if first in _STAND_ALONE:
        return Charset(codec=_STAND_ALONE[first])
    match = _TERM.fullmatch(first)
    number = int(match.group(2)) if match else 6
    extended = len(terms) > 1 or bool(match and match.group(1))
    codec = _SINGLE_BYTE.get(number, ("latin-1", b""))[0]
    g1 = _G1_BY_NUMBER.get(number, _UNANNOUNCED)
    # JIS X 0201 has no codec of its own in Python: its two halves are.
    return Charset(codec, g1, extended or number in (13, 58, 149))


def charset(terms: Sequence[str]) -> Charset:
    """The decoder for the values of Specific Character Set; unknown terms count as ISO_IR 6."""
    return _charset(tuple(term.strip(" \0") for term in terms) or ("",))


def charset_of(elements: DataSet, around: Charset = DEFAULT) -> Charset:
    """The character set of a data set; an item without one has that of what is `around` it (PS3.5 7.5.3)."""
    element = elements.get(SPECIFIC_CHARACTER_SET)
    if element is None or not isinstance(element.value, bytes):
        return around
    return charset(element.value.decode("latin-1").rstrip(" \0").split("\\"))
