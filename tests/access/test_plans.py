from __future__ import annotations

from typing import Any

import pytest

from leadglass.access.addresses import LOOPBACK
from leadglass.access.plans import AT_RECEIVE_ONLY, WORDS, Plan, joined, plan
from leadglass.errors import Violation

WHY = "scanner of 2009, own VLAN"


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("WS1", {"certified": True}, Plan("WS1", True, allow=frozenset({"store"}))),
        (
            "WS1@ws1.example.org:2762",
            {"certified": True, "allow": "find, get,move"},
            Plan(
                "WS1",
                True,
                allow=frozenset({"find", "get", "move"}),
                host="ws1.example.org",
                port=2762,
                tls=True,
            ),
        ),
        (
            "WS1@127.0.0.1:104",
            {"certified": True, "plain": True, "allow": "none"},
            Plan("WS1", True, host="127.0.0.1", port=104),
        ),
        (
            "WS1@192.0.2.7:104",
            {"certified": True, "plain": True, "reason": WHY},
            Plan("WS1", True, allow=frozenset({"store"}), host="192.0.2.7", port=104, reason=WHY),
        ),
        (
            "CT1",
            {"certified": False, "receive_only": True},
            Plan("CT1", False, True, LOOPBACK, frozenset({"store"})),
        ),
        (
            "CT1@192.0.2.7",
            {"certified": False, "receive_only": True, "reason": WHY, "allow": "store,private,commitment"},
            Plan("CT1", False, True, ("192.0.2.7",), AT_RECEIVE_ONLY, reason=WHY),
        ),
        (
            "CT1@192.0.2.7:104",
            {"certified": False, "receive_only": True, "reason": WHY},
            Plan("CT1", False, True, ("192.0.2.7",), frozenset({"store"}), "192.0.2.7", 104, reason=WHY),
        ),
        ("PACS2@localhost:104", {"certified": False}, Plan("PACS2", False, host="localhost", port=104)),
        (
            "PACS2@192.0.2.7:104",
            {"certified": False, "reason": WHY},
            Plan("PACS2", False, host="192.0.2.7", port=104, reason=WHY),
        ),
    ],
)
def test_plans(text: str, options: Any, expected: Plan) -> None:
    assert plan(text, **options) == expected


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("WS1", {"certified": False}, "how the AE is to be known"),
        ("WS1@192.0.2.7", {"certified": True}, "port"),
        ("WS1", {"certified": True, "receive_only": True}, "receive-only"),
        ("WS1", {"certified": True, "plain": True}, "--plain"),
        ("WS1@127.0.0.1:104", {"certified": False, "plain": True}, "--plain"),
        ("CT1", {"certified": False, "receive_only": True, "plain": True}, "--plain"),
        ("WS1@127.0.0.1:104", {"certified": False, "allow": "store"}, "destination only"),
        ("WS1", {"certified": True, "allow": "store,delete"}, "can be allowed"),
        ("WS1", {"certified": True, "allow": ""}, "can be allowed"),
        ("WS1", {"certified": True, "allow": "none,store"}, "can be allowed"),
        ("WS1", {"certified": True, "allow": "find,private"}, "private"),
        ("CT1", {"certified": False, "receive_only": True, "allow": "store,find"}, "nothing goes out"),
        ("CT1@192.0.2.0/28:104", {"certified": False, "receive_only": True, "reason": WHY}, "one address"),
        ("CT1@ct1.example.org", {"certified": False, "receive_only": True, "reason": WHY}, "by its address"),
        ("CT1", {"certified": False, "receive_only": True, "reason": "x" * 201}, "one line"),
        ("CT1", {"certified": False, "receive_only": True, "reason": "a\nb"}, "one line"),
    ],
)
def test_what_does_not_fit_together(text: str, options: Any, sentence: str) -> None:
    with pytest.raises(Violation, match=sentence):
        plan(text, **options)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("CT1@192.0.2.7", {"certified": False, "receive_only": True}),
        ("CT1@127.0.0.1,192.0.2.7", {"certified": False, "receive_only": True}),
        ("PACS2@192.0.2.7:104", {"certified": False}),
        ("PACS2@pacs.example.org:104", {"certified": False}),
        ("WS1@192.0.2.7:104", {"certified": True, "plain": True}),
    ],
)
def test_without_tls_nothing_leaves_this_machine_without_a_reason(text: str, options: Any) -> None:
    for reason in ("", "   "):
        with pytest.raises(Violation, match="--reason"):
            plan(text, **options, reason=reason)
    assert plan(text, **options, reason=WHY).reason == WHY


@pytest.mark.parametrize("word", sorted(set(WORDS) - AT_RECEIVE_ONLY))
def test_nothing_goes_out_of_the_receive_only_listener(word: str) -> None:
    with pytest.raises(Violation):
        plan("CT1", certified=False, receive_only=True, allow=f"store,{word}")


def test_words_have_an_order() -> None:
    assert joined({"private", "get", "store"}) == "store,get,private"
    assert joined(frozenset(WORDS)) == ",".join(WORDS)
