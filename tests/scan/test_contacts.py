"""Whom to write to, out of answers of RDAP and files of security.txt, well-formed and otherwise."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import LimitExceeded, Violation
from leadglass.scan.contacts import LARGEST, from_rdap, from_security_txt


def card(mail: str, *roles: str, inside: list[Any] | None = None) -> dict[str, Any]:
    """An entity as RFC 9083 5.1 has it."""
    lines = [["version", {}, "text", "4.0"], ["email", {}, "text", mail]]
    return {"roles": list(roles), "vcardArray": ["vcard", lines], "entities": inside or []}


def answer(*entities: Any, **more: Any) -> bytes:
    members = {"startAddress": "192.0.2.0", "endAddress": "192.0.2.255", "entities": list(entities)}
    return json.dumps(members | more).encode()


def test_who_answers_for_abuse_goes_first() -> None:
    found, mail = from_rdap(answer(card("r@x.example", "registrant"), card("a@x.example", "abuse")))
    assert (str(found), mail) == ("192.0.2.0-192.0.2.255", "a@x.example")
    assert from_rdap(answer(card("r@x.example", "registrant"), card("t@x.example", "technical")))[1] == (
        "t@x.example"
    )


def test_entities_within_entities_and_the_nearer_wins() -> None:
    far = card("o@x.example", "registrant", inside=[card("a@x.example", "abuse")])
    assert from_rdap(answer(far))[1] == "a@x.example"
    near = card("near@x.example", "abuse", inside=[card("far@x.example", "abuse")])
    assert from_rdap(answer(near))[1] == "near@x.example"


def test_ipv6() -> None:
    content = answer(card("a@x.example", "abuse"), startAddress="2001:db8::", endAddress="2001:db8::ff")
    assert from_rdap(content)[0].networks() == ["2001:db8::/120"]


def nested(depth: int) -> Any:
    entity: Any = card("deep@x.example", "abuse")
    for _ in range(depth):
        entity = {"roles": [], "entities": [entity]}
    return entity


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000,
        answer(), answer(card("no address", "abuse")), answer(card("a@x.example")),
        answer(card("a@x.example", "abuse"), startAddress="x"),
        answer(card("a@x.example", "abuse"), startAddress="192.0.3.0"),
        answer("text"), answer(5), answer({"vcardArray": 5}), answer({"vcardArray": ["vcard"]}),
        answer({"vcardArray": ["vcard", [[]]]}), answer({"entities": 7}), answer(nested(50)),
        answer(card("a@x.example\r\nBcc: all@x.example", "abuse")),
    ],
)  # fmt: skip
def test_what_names_nobody(content: bytes) -> None:
    with pytest.raises(Violation):
        from_rdap(content)


@pytest.mark.parametrize(
    ("content", "mail"),
    [
        (b"Contact: mailto:security@st.example\n", "security@st.example"),
        (
            b"# hello\r\nContact: https://st.example/report\r\ncontact:mailto:s@st.example?subject=x\r\n",
            "s@st.example",
        ),
        (b"CONTACT: s@st.example\nContact: mailto:later@st.example", "s@st.example"),
    ],
)
def test_security_txt(content: bytes, mail: str) -> None:
    assert from_security_txt(content) == mail


@pytest.mark.parametrize(
    "content",
    [b"", b"Contact:", b"Contact: tel:+49", b"Not-Contact: mailto:a@b.example", b"Contact: mailto:a@b@c",
     b"Contact: " + b"a" * 400 + b"@b.example", b"Contact: mailto:\xff@b.example"],
)  # fmt: skip
def test_a_security_txt_without_an_address(content: bytes) -> None:
    with pytest.raises(Violation):
        from_security_txt(content)


def test_nothing_larger_than_that() -> None:
    for read in (from_rdap, from_security_txt):
        with pytest.raises(LimitExceeded):
            read(b" " * (LARGEST + 1))


@given(st.binary(max_size=300))
def test_bytes_of_any_kind(content: bytes) -> None:
    for read in (from_rdap, from_security_txt):
        with suppress(Violation):
            read(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("entities", "vcardArray", "roles", "startAddress")), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_json_of_any_shape(members: Any) -> None:
    with suppress(Violation):
        from_rdap(answer(members, *([members] if isinstance(members, dict) else [])))
