from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadglass.errors import LimitExceeded, Violation
from leadglass.scan.inside import jsonc
from leadglass.scan.inside.jsonc import Located, parse
from leadglass.scan.inside.prediction import MOST_DEPTH

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def bare(located: Located) -> object:
    value = located.value
    if isinstance(value, dict):
        return {name: bare(each) for name, each in value.items()}
    return [bare(each) for each in value] if isinstance(value, list) else value


@settings(deadline=None)  # of no machine that is busy
@given(VALUES, st.sampled_from((None, 2)), st.booleans())
def test_reads_what_json_writes(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert bare(parse("c.json", text.encode())) == value


@settings(deadline=None)  # of no machine that is busy
@given(st.binary(max_size=200))
def test_of_anything_else_comes_a_violation(content: bytes) -> None:
    with suppress(Violation):
        parse("c.json", content)


@settings(deadline=None)  # of no machine that is busy
@given(st.text(alphabet='{}[]":,/*\\ \n0atrue', max_size=40))
def test_of_what_looks_like_json_too(text: str) -> None:
    with suppress(Violation):
        parse("c.json", text.encode())


def test_comments_and_a_last_comma_are_taken() -> None:
    text = b"""// of the hospital
    {
      /* more
         than one line, with "quotes" and // inside */
      "Name" : "a//b /* c */", // not part of it
      "List" : [ 1, 2, ],
    }
    """
    assert bare(parse("c.json", text)) == {"Name": "a//b /* c */", "List": [1, 2]}


def test_each_value_has_the_line_of_its_name() -> None:
    root = parse("c.json", b'{\n/* \n */ "A" :\n  true,\n"B" : { "C"\n: [\n1,\n2 ] } }')
    a, b = root.member("A"), root.member("B")
    assert root.line == 1
    assert a and a.line == 3
    assert b and b.line == 5 and (c := b.member("C")) and c.line == 5
    assert [each.line for each in c.items] == [7, 8]


def test_of_a_name_that_stands_twice_the_last_holds() -> None:
    assert bare(parse("c.json", b'{"A": 1, "A": 2}')) == {"A": 2}


def test_a_byte_order_mark_and_latin_1_are_read() -> None:
    assert bare(parse("c.json", b"\xef\xbb\xbf" + '{"A": "ü"}'.encode())) == {"A": "ü"}
    assert bare(parse("c.json", '{"A": "ü"}'.encode("latin-1"))) == {"A": "ü"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "c.json, line 1: that is no JSON."),
        (b"{", "c.json ends too early."),
        (b'{"A" 1}', "line 1"),
        (b'{\n"A": 1\n"B": 2}', "line 3"),
        (b"{1: 2}", "line 1"),
        (b"[1 2]", "line 1"),
        (b"[,]", "line 1"),
        (b"{} {}", "line 1"),
        (b"{\n\n/* without end", "line 3"),
        (b'{"A": "\n"}', "line 1"),
        (b'{"A": "\\x"}', "line 1"),
        (b'{"A": True}', "line 1"),
        (b'{"A": ' + b"1" * 5000 + b"}", "line 1"),
        (b"\0", "line 1"),
    ],
    ids=repr,
)
def test_what_is_no_json_is_said_with_its_line(text: bytes, says: str) -> None:
    with pytest.raises(Violation, match=r"no JSON|too early") as caught:
        parse("c.json", text)
    assert says in str(caught.value) and caught.value.code == "configuration"


def test_depth_is_bounded() -> None:
    deep = MOST_DEPTH
    parse("c.json", b"[" * deep + b"]" * deep)
    with pytest.raises(LimitExceeded):
        parse("c.json", b"[" * (deep + 2) + b"]" * (deep + 2))
    with pytest.raises(LimitExceeded):
        parse("c.json", b'{"A":' * 100_000)


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonc, "MOST_TOKENS", 5)
    parse("c.json", b"[1,2]")
    with pytest.raises(LimitExceeded):
        parse("c.json", b"[1,2,]")
