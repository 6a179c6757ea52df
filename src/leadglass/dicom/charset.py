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
Encoding writes only what decodes to the same text again; what a character set lacks it refuses with None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from leadglass.dicom.dictionary import SPECIFIC_CHARACTER_SET
from leadglass.dicom.elements import DataSet

_Decode = Callable[[bytes], str]
_Encode = Callable[[str], bytes]
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


def _to_codec(name: str) -> _Encode:
    return lambda character: character.encode(name, "ignore")


def _to_katakana(character: str) -> bytes:
    return bytes([(ord(character) - 0xFF61 + 0xA1) & 0xFF])


def _to_kanji(character: str) -> bytes:
    """Both JIS sets: two bytes of EUC are JIS X 0208, three JIS X 0212; decoding tells which was meant."""
    return bytes(byte & 0x7F for byte in character.encode("euc_jp", "ignore")[-2:])


@dataclass(frozen=True, slots=True)
class _Half:
    """A set of characters invoked in G0 or G1. `encode` may return nonsense for what is not in the set."""

    decode: _Decode
    encode: _Encode
    wide: bool = False  # two bytes each

    def encoded(self, character: str) -> bytes | None:
        """The bytes that decode to this very character. Python makes up syllables that KS X 1001 lacks, of
        eight bytes: not everybody reads those. What stands for illegal bytes any nonsense decodes to."""
        raw = self.encode(character)
        is_same = character != _BAD and self.decode(raw) == character
        return raw if 0 < len(raw) <= 2 and is_same else None


def _half(codec: str) -> _Half:
    return _Half(_by_codec(codec), _to_codec(codec))


_ASCII: Final = _half("ascii")
_UNANNOUNCED: Final = _Half(_by_codec("latin-1"), lambda _: b"")  # G1 of a data set that announced none
_KANJI: Final = _Half(_kanji, _to_kanji, wide=True)
_KANJI_2: Final = _Half(_supplementary_kanji, _to_kanji, wide=True)
_KATAKANA: Final = _Half(_katakana, _to_katakana)
_HANGUL: Final = _half("euc_kr")
_HANZI: Final = _half("gb2312")

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
    **{number: _half(codec) for number, (codec, _) in _SINGLE_BYTE.items()},
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
_ESCAPE_BY_NUMBER: Final[Mapping[int, bytes]] = {
    13: b"\x1b)I",
    58: b"\x1b$)A",
    87: b"\x1b$B",
    149: b"\x1b$)C",
    159: b"\x1b$(D",
    **{number: b"\x1b-" + final for number, (_, final) in _SINGLE_BYTE.items()},
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
    """Decodes and encodes the text of one data set; make it with `charset(terms)`.

    `codec` is for text without escape sequences; `g1` and `extended` say what to do with those that have,
    `escapes` which may be written.
    """

    codec: str = "latin-1"
    g1: _Half = _UNANNOUNCED
    extended: bool = False
    escapes: tuple[bytes, ...] = ()

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

    def encode(self, text: str, *, name: bool = False) -> bytes | None:
        """`text` as bytes that decode to it; None where this character set has not all its characters."""
        if text.isascii() and not (self.extended and "\x1b" in text):
            return text.encode("ascii")
        if self.extended:
            return self._encode_extended(text, _NAME if name else _LINE)
        if self.g1 is _UNANNOUNCED and self.codec == "latin-1":
            return None
        try:
            raw = text.encode(self.codec)
        except UnicodeEncodeError:
            return None
        return raw if raw.decode(self.codec, "replace") == text else None

    def _encode_extended(self, text: str, delimiters: frozenset[bytes]) -> bytes | None:
        """Character by character, with an escape sequence where the sets in use have not got the next."""
        ascii_escape = b"\x1b(J" if self.g1 is _KATAKANA else b"\x1b(B"
        halves = [_ASCII, self.g1]
        out: list[bytes] = []
        for character in text:
            if character == "\x1b":
                return None
            if character.isascii():
                raw = character.encode("ascii")
                if halves[0].wide:
                    halves[0] = _ASCII
                    out.append(ascii_escape)
                if raw in delimiters:
                    halves = [_ASCII, self.g1]
                out.append(raw)
                continue
            coded = self._encode_high(character, halves)
            if coded is None:
                return None
            out.append(coded)
        if halves[0].wide:
            out.append(ascii_escape)
        return b"".join(out)

    def _encode_high(self, character: str, halves: list[_Half]) -> bytes | None:
        """One character beyond ASCII; `halves` is changed where that takes an escape sequence."""
        for half in halves:
            if half is not _ASCII and (raw := half.encoded(character)) is not None:
                return raw
        for escape in self.escapes:
            place, half = _ESCAPES[escape]
            if (raw := half.encoded(character)) is not None:
                halves[place] = half
                return escape + raw
        return None


DEFAULT: Final = Charset()
UTF_8: Final = "ISO_IR 192"


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
    announced = (_TERM.fullmatch(term) for term in terms)
    escapes = (_ESCAPE_BY_NUMBER.get(int(term.group(2))) for term in announced if term)
    # JIS X 0201 has no codec of its own in Python: its two halves are.
    extended = extended or number in (13, 58, 149)
    return Charset(codec, g1, extended, tuple(filter(None, escapes)) if extended else ())


def charset(terms: Sequence[str]) -> Charset:
    """The decoder for the values of Specific Character Set; unknown terms count as ISO_IR 6."""
    return _charset(tuple(term.strip(" \0") for term in terms) or ("",))


def charset_for(texts: Iterable[str], wanted: Sequence[str] = ()) -> tuple[tuple[str, ...], Charset]:
    """The terms of a character set that has all of `texts`: none for ASCII, else `wanted`, else UTF-8.

    PS3.3 C.12.1.1.2: absent means the default repertoire, which every reader has.
    """
    beyond = [text for text in texts if not text.isascii()]
    if not beyond:
        return (), DEFAULT
    if wanted and all(charset(wanted).encode(text) is not None for text in beyond):
        return tuple(wanted), charset(wanted)
    return (UTF_8,), charset((UTF_8,))


def charset_of(elements: DataSet, around: Charset = DEFAULT) -> Charset:
    """The character set of a data set; an item without one has that of what is `around` it (PS3.5 7.5.3)."""
    element = elements.get(SPECIFIC_CHARACTER_SET)
    if element is None or not isinstance(element.value, bytes):
        return around
    return charset(element.value.decode("latin-1").rstrip(" \0").split("\\"))
