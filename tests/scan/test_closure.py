"""A proof of closure: what it takes to be one, and every way to forge it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leadglass.errors import LeadglassError, Tampered, Violation
from leadglass.note import Signer
from leadglass.scan.closure import closure, encode, state, verify
from leadglass.scan.grade import Grade
from leadglass.scan.observation import Level, Observation, Outcome

SIGNER = Signer.from_seed("leadglass/scan/1", bytes(range(32)))
NOW = 1_800_000_000_000
TITLES = {"called": "LGSCAN0000000000", "calling": "LGSCAN1111111111"}
VERIFICATION = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def seen(probe: str, outcome: Outcome, at: int = NOW, said: Any = None, *, port: int = 4242) -> Observation:
    return Observation(probe, "127.0.0.1", port, at, 1000, outcome, {}, said or {})


def opened(at: int = NOW) -> list[Observation]:
    return [
        Observation(
            "associate", "127.0.0.1", 4242, at, 9, Outcome.ACCEPTED, TITLES, {"accepted": (VERIFICATION,)}
        ),
        seen("find-none", Outcome.ANSWERED, at + 1, {"status": 0, "pending": 0}),
    ]


def refusing(at: int = NOW + 60_000) -> list[Observation]:
    said = {"result": 1, "source": 1, "reason": 3}
    return [Observation("associate", "127.0.0.1", 4242, at, 9, Outcome.REJECTED, TITLES, said)]


def signed(**changes: Any) -> bytes:
    made = closure(opened(), refusing(), "here", "ab" * 32)
    document = json.loads(encode(made, SIGNER))
    document["closure"] |= changes
    return json.dumps(document).encode()


def test_what_was_open_and_is_closed() -> None:
    made = verify(signed(), SIGNER.key)
    assert made.is_closed
    assert (made.before.level, made.before.grade) == (Level.ANSWERS, Grade.F)
    assert (made.after.level, made.after.grade) == (Level.CLOSED, Grade.A)
    assert made == closure(opened(), refusing(), "here", "ab" * 32)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.SILENT])
def test_a_port_at_which_nobody_answers_is_closed(outcome: Outcome) -> None:
    assert closure(opened(), [seen("tcp", outcome, NOW + 60_000)], "here", "").is_closed


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.REJECTED, {"result": 2, "source": 3, "reason": 1}),
        (Outcome.MUTE, {}),
        (Outcome.CLOSED, {}),
        (Outcome.MISBEHAVES, {"fault": "slow"}),
        (Outcome.UNREACHABLE, {}),
        (Outcome.UNTRIED, {}),
    ],
)
def test_who_was_busy_or_hung_up_has_shown_nothing(outcome: Outcome, said: dict[str, int]) -> None:
    after = [Observation("associate", "127.0.0.1", 4242, NOW + 60_000, 9, outcome, TITLES, said)]
    made = closure(opened(), after, "here", "")
    assert (made.after.level, made.is_closed) == (Level.CLOSED, False)
    assert not made.after.is_conclusive


def listing(status: int, at: int, **said: Any) -> Observation:
    sent = {"method": "get", "path": "/", "about": "listing"}
    return Observation(
        "http",
        "127.0.0.1",
        80,
        at,
        9,
        Outcome.RESPONDED,
        sent,
        {"status": status, "type": "text/html", **said},
    )


def test_files_on_a_web_server_are_closed_when_they_are_gone() -> None:
    """A stranger associated with nobody there, before or after."""
    before = [listing(200, NOW, links=12)]
    assert (state(before).level, state(before).pressing) == (Level.CLOSED, frozenset({"W09"}))
    assert closure(before, [listing(403, NOW + 60_000)], "here", "").is_closed
    assert closure(before, [seen("tcp", Outcome.REFUSED, NOW + 60_000, port=80)], "here", "").is_closed
    assert not closure(before, [listing(200, NOW + 60_000, links=11)], "here", "").is_closed
    assert not closure([listing(200, NOW)], [listing(403, NOW + 60_000)], "here", "").is_closed


def test_a_port_at_which_nobody_is_any_more_is_closed() -> None:
    gone = [seen("tcp", Outcome.REFUSED, NOW + 60_000)]
    assert closure(opened(), gone, "here", "").is_closed


@pytest.mark.parametrize("after", [opened(NOW + 60_000), opened(NOW + 60_000)[:1]])
def test_what_still_lets_strangers_in_is_not(after: list[Observation]) -> None:
    assert not closure(opened(), after, "here", "").is_closed


def test_what_was_never_open_is_not_closed_by_anybody() -> None:
    assert not closure(refusing(NOW), refusing(), "here", "").is_closed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (refusing(NOW + 60_000), opened(NOW)),
        (opened(), [seen("tcp", Outcome.REFUSED, NOW + 60_000, port=4243)]),
        (opened(), [*refusing(), seen("tcp", Outcome.REFUSED, NOW + 60_000, port=4243)]),
    ],
)
def test_what_shows_nothing(before: list[Observation], after: list[Observation]) -> None:
    with pytest.raises(Violation):
        closure(before, after, "here", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"port": 4243},
        {"vantage": "elsewhere"},
        {"scope": "cd" * 32},
        {"before": {**json.loads(signed())["closure"]["before"], "grade": "A"}},
        {"after": json.loads(signed())["closure"]["before"]},
        {"method": 2},
        {"format": 2},
        {"more": 1},
        {"after": None},
    ],
)
def test_what_was_altered_is_found(changes: dict[str, Any]) -> None:
    with pytest.raises(LeadglassError):
        verify(signed(**changes), SIGNER.key)


def test_one_observation_that_was_altered_is_found() -> None:
    document = json.loads(signed())
    document["closure"]["after"]["observations"][0]["said"]["reason"] = 7
    document["closure"]["after"] |= {"verdict": "wrong-title", "grade": "B"}
    with pytest.raises(Tampered):
        verify(json.dumps(document).encode(), SIGNER.key)


def test_another_s_signature_is_not_ours() -> None:
    other = Signer.from_seed("leadglass/scan/1", bytes(32))
    with pytest.raises(Tampered):
        verify(signed(), other.key)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"closure":{},"note":""}', b"x" * (5 << 20)]
)
def test_what_is_no_proof(content: bytes) -> None:
    with pytest.raises(Violation):
        verify(content, SIGNER.key)


def test_a_state_is_of_one_port() -> None:
    with pytest.raises(Violation):
        state([])


@pytest.mark.parametrize("member", ["port", "at"])
@pytest.mark.parametrize("number", [float("inf"), float("nan"), "x", None, -1, 1 << 60])
def test_numbers_that_are_none(member: str, number: Any) -> None:
    document = json.loads(signed())
    document["closure"]["after"]["observations"][0][member] = number
    with pytest.raises(Violation):
        verify(json.dumps(document).encode(), SIGNER.key)
