from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadglass.errors import LimitExceeded, Violation
from leadglass.scan.inside import ldif, prediction
from leadglass.scan.inside.ldif import Record, records


def read(text: str) -> list[Record]:
    return list(records("d.ldif", text.encode()))


@settings(deadline=None)  # of no machine that is busy
@given(st.binary(max_size=200))
def test_of_anything_come_records_or_a_violation(content: bytes) -> None:
    with suppress(Violation):
        list(records("d.ldif", content))


def test_names_are_without_case_and_values_keep_their_order_and_line() -> None:
    (record,) = read("version: 1\n\ndn: cn=a, DC=B\nObjectClass: top\nx: 1\nobjectclass: device\n")
    assert record.dn == "cn=a,dc=b" and record.parent == "dc=b" and record.line == 3
    assert record.all("objectClass") == ["top", "device"] and record.line_of("X") == 5
    assert record.first("y") == "" and record.all("y") == [] and record.line_of("y") == 0


def test_long_lines_are_unfolded() -> None:
    (record,) = read("dn: cn=a,\n dc=b\n# a comment\n  of two lines\nx: one\n  two\n")
    assert record.dn == "cn=a,dc=b" and record.first("x") == "one two" and record.line_of("x") == 5


def test_base64_is_read_and_a_certificate_is_no_text() -> None:
    coded = base64.b64encode("Röntgen".encode()).decode()
    (record,) = read(f"dn:: {base64.b64encode(b'cn=a').decode()}\nx:: {coded}\ny;binary:: //8=\n")
    assert (
        record.dn == "cn=a" and record.first("x") == "Röntgen" and record.first("y;binary") == "\ufffd\ufffd"
    )


def test_what_ldapsearch_adds_is_passed_over() -> None:
    text = "# extended LDIF\n#\n# base <dc=b>\n\ndn: cn=a\nx: 1\n\n# search result\nsearch: 2\nresult: 0 Success\n"
    assert [each.dn for each in read(text)] == ["cn=a"]


def test_records_without_an_empty_line_between_them_are_two() -> None:
    assert [each.dn for each in read("dn: cn=a\nx: 1\r\ndn: cn=b\r\nx: 2")] == ["cn=a", "cn=b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x: 1\n", "line 1: a record begins with its dn"),
        ("\n\nnonsense\n", "line 3: that is no LDIF"),
        ("dn: a\nx:: !!\n", "line 2: that is no base64"),
        ("dn: a\nx:: ü\n", "line 2: that is no base64"),
    ],
)
def test_what_is_no_ldif_is_said_with_its_line(text: str, says: str) -> None:
    with pytest.raises(Violation) as caught:
        read(text)
    assert says in str(caught.value) and caught.value.code == "configuration"


def test_records_and_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldif, "MOST_RECORDS", 2)
    assert len(read("dn: a\n\ndn: b\n")) == 2
    with pytest.raises(LimitExceeded):
        read("dn: a\n\ndn: b\n\ndn: c\n")
    monkeypatch.setattr(prediction, "MOST_LINES", 3)
    with pytest.raises(LimitExceeded):
        read("\r" * 4)
