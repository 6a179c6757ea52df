"""Fuzz character sets and values: text, numbers and names come out, and nothing is ever raised.

The first byte of an input chooses the VR; a Specific Character Set follows, and after a line's end the value.
Besides that nothing is raised: what is decoded can be shown and searched for; what is written decodes to the
same text; no escape sequence reaches past a value's end.
"""

from __future__ import annotations

import seeded

from leadglass.dicom import values
from leadglass.dicom.charset import charset, charset_for
from leadglass.dicom.elements import Element
from leadglass.dicom.json import dumps
from leadglass.dicom.values import BINARY_NUMBER_VRS, ENCODED_VRS, TEXT_VRS
from leadglass.index.names import name_key, name_words

VRS = tuple(sorted(TEXT_VRS | BINARY_NUMBER_VRS | {"AT"}))
TAG = 0x00100010
TERMS = (
    "", "ISO_IR 6", "ISO_IR 13", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 126",
    "ISO_IR 127",
    "ISO_IR 138", "ISO_IR 144", "ISO_IR 148", "ISO_IR 166", "ISO_IR 192", "ISO_IR 203", "GB18030", "GBK",
    "\\ISO 2022 IR 87", "\\ISO 2022 IR 149", "\\ISO 2022 IR 58",
    "ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159",
    "ISO 2022 IR 100\\ISO 2022 IR 126\\ISO 2022 IR 144", "ISO_IR 999", "nonsense",
)  # fmt: skip
TEXTS = (
    "Roth^Anna^^Dr.^", "Müller^Jörg", "Yamada^Tarou=山田^太郎=やまだ^たろう", "Hong^Gildong=洪^吉洞=홍^길동",
    "Wang^XiaoDong=王^小东",
    "Люкceмбypг", "Διονυσιος", "שרון^דבורה", "قباني^لنزار", "ﾔﾏﾀﾞ^ﾀﾛｳ", "a\\b", "1.5\\-2e3", "20260131",
    "\u202egpj",
)  # fmt: skip
TOKENS = (
    b"\x1b$B", b"\x1b$(D", b"\x1b(B", b"\x1b(J", b"\x1b)I", b"\x1b$)C", b"\x1b$)A", b"\x1b-A", b"\x1b-F",
    b"\x1b", b"^", b"=",
    b"\\", b"\n", b"\r", b"\t", b"\x0c", b"\0", b" ", b"\xff", b"\x80", b"\xed\xa0\x80", b"\xc0\xaf",
    b"\x81\x30\x81\x30",
    b"ISO 2022 IR 87", b"ISO_IR 192", b"PN", b"LT", b"DS", b"FD", b"1e9999", b"-" * 30, "\u202e".encode(),
)  # fmt: skip


def one_input(data: bytes) -> None:
    vr = VRS[data[0] % len(VRS)] if data else "PN"
    terms, _, raw = data[1:].partition(b"\n")
    characters = charset(terms.decode("latin-1").split("\\"))
    element = Element(TAG, vr, raw)
    texts = values.texts(element, characters)
    values.numbers(element)
    values.tags(element)
    for one in texts:
        name = values.PersonName.parse(one)
        assert not name or str(name)
        shown_and_searched(one)
    if vr in ENCODED_VRS:
        written_again(raw, terms, name=vr == "PN")
    dumps({TAG: element})


def shown_and_searched(one: str) -> None:
    one.encode()  # no half of a surrogate pair: it could be neither shown nor stored
    folded = values.fold(one)
    assert values.fold(folded) == folded
    values.integer(one)
    values.decimal(one)
    values.parse_date(one)
    name_key(one)
    name_words(one)


def written_again(raw: bytes, terms: bytes, *, name: bool) -> None:
    announced = terms.decode("latin-1").split("\\")
    characters = charset(announced)
    text, is_legal = characters.decode_checked(raw, name=name)
    assert text == characters.decode(raw, name=name)
    again = characters.encode(text, name=name)
    assert again is None or characters.decode(again, name=name) == text
    assert not is_legal or "\ufffd" not in text
    chosen, writer = charset_for([text], announced)
    written = writer.encode(text, name=name)
    assert written is not None and charset(chosen).decode(written, name=name) == text
    # Delimited values are each by themselves what they are together (PS3.5 6.1.2.5.3).
    if characters.extended and b"\x1b$" not in raw:
        apart = [characters.decode(part, name=name) for part in raw.split(b"\\")]
        assert "\\".join(apart) == text


def corpus() -> list[bytes]:
    """Each text in each character set that has it, as each VR in turn."""
    seeds = []
    for number, terms in enumerate(TERMS):
        for text in TEXTS:
            encoded = charset(terms.split("\\")).encode(text, name=True)
            raw = text.encode() if encoded is None else encoded
            seeds.append(bytes([(number + len(seeds)) % len(VRS)]) + terms.encode() + b"\n" + raw)
            seeds.append(bytes([VRS.index("PN")]) + terms.encode() + b"\n" + raw)
    return seeds


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
