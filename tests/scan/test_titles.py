"""What is worth asking again, and under which AE titles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.scan.ending import Ending
from leadglass.scan.manner import CALLING, MOST_TITLES
from leadglass.scan.observation import Outcome
from leadglass.scan.titles import MADE_UP, NAMED, OWN, Attempt, Blame, Tried, blame, is_busy, next_attempt

FIRST = Attempt(MADE_UP, "NOBODY", "NOBODY TOO")
NAMES = ("PACS", "ORTHANC", "ANY-SCP")


def rejected(source: int, reason: int, result: int = 1) -> Ending:
    return Ending(Outcome.REJECTED, {"result": result, "source": source, "reason": reason})


CALLING_UNKNOWN, CALLED_UNKNOWN, NO_REASON = rejected(1, 3), rejected(1, 7), rejected(1, 1)
IN = Ending(Outcome.ACCEPTED)


@pytest.mark.parametrize(
    ("ending", "blamed"),
    [
        (CALLING_UNKNOWN, Blame.CALLING),
        (CALLED_UNKNOWN, Blame.CALLED),
        (NO_REASON, Blame.CALLED | Blame.CALLING),
        (rejected(2, 1), Blame.CALLED | Blame.CALLING),
        (rejected(1, 2), Blame.NEITHER),  # the application context
        (rejected(2, 2), Blame.NEITHER),  # the protocol version
        (rejected(3, 1), Blame.NEITHER),
        (rejected(3, 2), Blame.NEITHER),
        (rejected(1, 3, result=2), Blame.NEITHER),
        (Ending(Outcome.ABORTED, {"source": 0, "reason": 0}), Blame.CALLED | Blame.CALLING),
        (IN, Blame.NEITHER),
        (Ending(Outcome.CLOSED), Blame.NEITHER),
        (Ending(Outcome.MUTE), Blame.NEITHER),
        (Ending(Outcome.REFUSED), Blame.NEITHER),
    ],
)
def test_whom_a_rejection_blames(ending: Ending, blamed: Blame) -> None:
    assert blame(ending) == blamed


@pytest.mark.parametrize(
    ("ending", "busy"),
    [(rejected(3, 1), True), (rejected(3, 2), True), (rejected(1, 1, result=2), True),
     (NO_REASON, False), (CALLED_UNKNOWN, False), (IN, False)],
)  # fmt: skip
def test_busy_is_not_unwelcome(ending: Ending, busy: bool) -> None:
    assert is_busy(ending) is busy


def play(names, answer) -> list[Attempt]:
    """Every attempt, answered by `answer`, until nothing is left to ask."""
    tried, attempt = [], FIRST
    while attempt is not None:
        tried.append(Tried(attempt, answer(attempt)))
        attempt = next_attempt(tried, names)
    return [each.attempt for each in tried]


def test_nothing_is_asked_again_where_nothing_can_be_learnt() -> None:
    for ending in (IN, CALLED_UNKNOWN, rejected(3, 1), Ending(Outcome.CLOSED), Ending(Outcome.MUTE)):
        assert play((), lambda _, ending=ending: ending) == [FIRST]


@pytest.mark.parametrize("ending", [CALLING_UNKNOWN, NO_REASON, Ending(Outcome.ABORTED)])
def test_the_surveys_own_title_is_tried_once(ending: Ending) -> None:
    assert play((), lambda _: ending) == [FIRST, Attempt(OWN, FIRST.called, CALLING)]


def test_named_titles_are_tried_as_called_ones() -> None:
    attempts = play(NAMES, lambda a: IN if a.called == "ORTHANC" else CALLED_UNKNOWN)
    assert attempts[1:] == [Attempt(NAMED, name, FIRST.calling) for name in NAMES[:2]]


def test_and_as_calling_ones() -> None:
    attempts = play(NAMES, lambda a: IN if a.calling == "ANY-SCP" else CALLING_UNKNOWN)
    assert attempts[2:] == [Attempt(NAMED, FIRST.called, name) for name in NAMES]


def test_what_was_found_is_kept_while_the_other_title_is_looked_for() -> None:
    def answer(attempt: Attempt) -> Ending:
        if attempt.calling != "ORTHANC":
            return CALLING_UNKNOWN
        return IN if attempt.called == "ANY-SCP" else CALLED_UNKNOWN

    assert play(NAMES, answer)[-1] == Attempt(NAMED, "ANY-SCP", "ORTHANC")


def test_both_titles_may_be_wrong_where_one_is_said_to_be() -> None:
    """As dcmqrscp says it."""
    both = Attempt(NAMED, "PACS", "ORTHANC")
    attempts = play(NAMES, lambda a: IN if a == both else CALLED_UNKNOWN)
    assert attempts[-1] == both and len(attempts) <= 1 + MOST_TITLES


@pytest.mark.parametrize("sign", [Outcome.REFUSED, Outcome.CLOSED, Outcome.MUTE, Outcome.SILENT])
def test_the_first_sign_that_somebody_minds_ends_it(sign: Outcome) -> None:
    attempts = play(NAMES, lambda a: Ending(sign) if a.called == "PACS" else CALLED_UNKNOWN)
    assert attempts[-1].called == "PACS" and len(attempts) == 2
    busy = play(NAMES, lambda a: rejected(3, 1) if a.called == "PACS" else CALLED_UNKNOWN)
    assert len(busy) == 2


@given(
    st.lists(st.text("ABC", min_size=1, max_size=3), max_size=30),
    st.functions(
        like=lambda attempt: None,
        returns=st.sampled_from((CALLING_UNKNOWN, CALLED_UNKNOWN, NO_REASON, rejected(3, 1), IN)),
        pure=True,
    ),
)
def test_never_more_than_ten_and_never_one_twice(names, answer) -> None:
    attempts = play(names, answer)
    assert sum(each.probe == NAMED for each in attempts) <= MOST_TITLES
    pairs = [(each.called, each.calling) for each in attempts]
    assert len(set(pairs)) == len(pairs)
    assert attempts[0] == FIRST and sum(each.probe == OWN for each in attempts) <= 1
    assert all({each.called, each.calling} <= {*names, "NOBODY", "NOBODY TOO", CALLING} for each in attempts)
