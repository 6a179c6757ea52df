"""Specific Character Set: the Standard's own examples (PS3.5 Annexes H to K), and hostile escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.dicom.charset import DEFAULT, charset, charset_for, charset_of
from leadglass.dicom.elements import Element

EXAMPLES = [
    (["ISO_IR 100"], b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    (["ISO_IR 144"], b"\xbb\xee\xda\xd5\xdc\xd1\xe3\xe0\xd3", "Люкембург"),
    (["ISO_IR 126"], b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    (["ISO_IR 192"], "Wang^XiaoDong=王^小東".encode(), "Wang^XiaoDong=王^小東"),
    (["GB18030"], "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    (["GBK"], "王^小东".encode("gbk"), "王^小东"),
    (["ISO_IR 13"], b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
    ),
    (
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    (
        ["", "ISO 2022 IR 58"],
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
        "Zhang^XiaoDong=张^小东",
    ),
    (["", "ISO 2022 IR 100", "ISO 2022 IR 144"], b"a\x1b-A\xe9\\\x1b-L\xbb", "aé\\Л"),
    # Written wrongly, as they are met.
    (["ISO-IR 100"], b"\xe9", "é"),
    (["ISO_2022_IR_100", "ISO_2022_IR_87"], b"\xe9\x1b$B;3\x1b(B", "é山"),
]


@pytest.mark.parametrize(("terms", "raw", "text"), EXAMPLES)
def test_examples(terms: list[str], raw: bytes, text: str) -> None:
    assert charset(terms).decode(raw, name=True) == text
    assert charset(terms).decode_checked(raw, name=True) == (text, True)


def test_supplementary_kanji() -> None:
    assert charset(["", "ISO 2022 IR 159"]).decode(b"\x1b$(D\x30\x21\x30\x22\x1b(B!") == "丂丄!"


@pytest.mark.parametrize(
    ("terms", "raw", "text"),
    [
        # Nobody announced anything but ASCII: Latin-1, marked.
        ([], b"J\xe9", "Jé"),
        (["NONSENSE"], b"J\xe9", "Jé"),
        (["ISO_IR 192"], b"J\xe9", "J\ufffd"),
        (["ISO_IR 100"], b"a\x1b$B;3", "a\x1b$B;3"),
        (["", "ISO 2022 IR 87"], b"a\x1bXb", "a\ufffdb"),
        (["", "ISO 2022 IR 87"], b"a\x1b", "a\ufffd"),
        (["ISO_IR 13"], b"\x81\x40", "\ufffd@"),
    ],
)
def test_illegal_bytes_are_marked(terms: list[str], raw: bytes, text: str) -> None:
    assert charset(terms).decode_checked(raw) == (text, False)


@pytest.mark.parametrize("delimiter", ["\\", "^", "=", "\r", "\n", "\f", "\t"])
def test_delimiters_end_what_an_escape_invoked(delimiter: str) -> None:
    """PS3.5 6.1.2.5.3: after each of these the first character set is back."""
    raw = b"\x1b-L\xbb" + delimiter.encode() + b"\xe9"
    assert charset(["ISO 2022 IR 100", "ISO 2022 IR 144"]).decode(raw, name=True) == f"Л{delimiter}é"


@pytest.mark.parametrize("delimiter", ["^", "="])
def test_name_delimiters_mean_nothing_elsewhere(delimiter: str) -> None:
    raw = b"\x1b-L\xbb" + delimiter.encode() + b"\xbb"
    assert charset(["ISO 2022 IR 100", "ISO 2022 IR 144"]).decode(raw) == f"Л{delimiter}Л"


@pytest.mark.parametrize("escape", [b"\x1b", b"\x1b$", b"\x1b(", b"\x1b-", b"\x1b$)", b"\x1b)I", b"\x1b$)C"])
@pytest.mark.parametrize("delimiter", [b"\\", b"^", b"="])
def test_no_escape_hides_a_delimiter(escape: bytes, delimiter: bytes) -> None:
    """Kanji in G0 apart: there the byte is half of a character."""
    text = charset(["", "ISO 2022 IR 149"]).decode(b"A" + escape + delimiter + b"B", name=True)
    assert text.count(delimiter.decode()) == 1
    assert text.endswith(delimiter.decode() + "B")


def test_control_characters_end_kanji() -> None:
    text = charset(["", "ISO 2022 IR 87"]).decode(b"\x1b$B;3\r\nED")
    assert text == "山\r\nED"


TERMS = [
    "",
    "ISO 2022 IR 13",
    "ISO 2022 IR 87",
    "ISO 2022 IR 149",
    "ISO_IR 192",
    "GB18030",
    "ISO_IR 166",
    "?",
]


@given(raw=st.binary(max_size=80), terms=st.lists(st.sampled_from(TERMS), max_size=3), name=st.booleans())
def test_decoding_never_raises_and_is_valid_unicode(raw: bytes, terms: list[str], name: bool) -> None:
    text, _ = charset(terms).decode_checked(raw, name=name)
    assert text.encode("utf-8").decode("utf-8") == text


PARTS = st.sampled_from(
    [b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b$(D", b"\x1b)I", b"\\", b"^", b"A", b";3", b"\xb1"]
)


@given(parts=st.lists(PARTS, max_size=12), terms=st.lists(st.sampled_from(TERMS), max_size=3))
def test_escapes_in_any_order(parts: list[bytes], terms: list[str]) -> None:
    text = charset(terms).decode(b"".join(parts), name=True)
    assert len(text) <= sum(map(len, parts))


def test_items_inherit() -> None:
    latin = Element(0x00080005, "CS", b"ISO_IR 100")
    around = charset_of({0x00080005: latin})
    assert charset_of({}, around) is around
    assert charset_of({}) is DEFAULT
    assert (
        charset_of({0x00080005: Element(0x00080005, "CS", b"ISO_IR 192")}, around).decode(b"\xc3\xa9") == "é"
    )


# --- writing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terms", "raw", "text"), EXAMPLES)
def test_examples_are_written_as_the_standard_has_them(terms: list[str], raw: bytes, text: str) -> None:
    assert charset(terms).encode(text, name=True) == raw


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ([], "é"),
        (["ISO_IR 6"], "é"),
        (["NONSENSE"], "é"),
        (["ISO_IR 100"], "Ł"),
        (["ISO_IR 192"], "\ud800"),
        (["ISO_IR 13"], "山"),
        (["", "ISO 2022 IR 87"], "é"),
        (["", "ISO 2022 IR 149"], "뢔"),  # a syllable that KS X 1001 has no code for
        (["ISO_IR 13"], "\ufffd"),  # stands for bytes that are none: written as "=", it would part a name
        (["", "ISO 2022 IR 149"], "\ufffd"),
        (["", "ISO 2022 IR 87"], "a\x1bb"),  # would be read as an escape sequence
    ],
)
def test_what_a_character_set_lacks_is_refused(terms: list[str], text: str) -> None:
    assert charset(terms).encode(text) is None


def test_what_is_in_a_wide_set_ends_with_the_value() -> None:
    assert charset(["", "ISO 2022 IR 87"]).encode("a山\\田b") == b"a\x1b$B;3\x1b(B\\\x1b$BED\x1b(Bb"


TERMS = [
    *([f"ISO_IR {n}"] for n in (100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 203, 13, 192)),
    ["GB18030"],
    ["GBK"],
    ["", "ISO 2022 IR 87", "ISO 2022 IR 159"],
    ["ISO 2022 IR 13", "ISO 2022 IR 87"],
    ["", "ISO 2022 IR 149"],
    ["", "ISO 2022 IR 58"],
    ["ISO 2022 IR 100", "ISO 2022 IR 144", "ISO 2022 IR 126", "ISO 2022 IR 87"],
]
ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from("\\^=\r\n\t aZ~éłЛΩשعก山田丂王ﾔﾏ홍길张小"),
        st.characters(codec="utf-8"),
    ),
    max_size=20,
)


@given(st.sampled_from(TERMS), ANY_TEXT, st.booleans())
def test_what_is_written_is_read_again(terms: list[str], text: str, name: bool) -> None:
    raw = charset(terms).encode(text, name=name)
    assert raw is None or charset(terms).decode(raw, name=name) == text


@pytest.mark.parametrize(
    ("texts", "wanted", "terms"),
    [
        (["Roth^Anna", ""], ("ISO_IR 100",), ()),
        (["Roth^Anna", "Jérôme"], ("ISO_IR 100",), ("ISO_IR 100",)),
        (["Łukasz", "Jérôme"], ("ISO_IR 100",), ("ISO_IR 192",)),
        (["Jérôme"], (), ("ISO_IR 192",)),
        (["Jérôme"], ("NONSENSE",), ("ISO_IR 192",)),
        (["山田", "é"], ("ISO 2022 IR 100", "ISO 2022 IR 87"), ("ISO 2022 IR 100", "ISO 2022 IR 87")),
    ],
)
def test_a_character_set_is_chosen(texts: list[str], wanted: tuple[str, ...], terms: tuple[str, ...]) -> None:
    found, characters = charset_for(texts, wanted)
    assert found == terms
    assert all(characters.encode(text) is not None for text in texts)
