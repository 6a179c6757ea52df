"""Every cell of PS3.8 Table 9-10, against a transcription in another layout and against pynetdicom's."""

from __future__ import annotations

from pathlib import Path

import pytest
from pynetdicom.fsm import ACTIONS, TRANSITION_TABLE

from leadglass.ul.fsm import OTHERWISE, TRANSITIONS, Action, Event, State

VECTORS = Path(__file__).parents[1] / "vectors" / "ul" / "table-9-10.txt"


def transcription() -> dict[tuple[str, str], tuple[str, list[str]]]:
    """Action and next states by state and event, as words."""
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for line in VECTORS.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        state, *words = line.split()
        events = [word for word in words if word.startswith("Evt")]
        action = words[len(events)]
        for event in events:
            assert (state, event) not in found
            found[state, event] = action, words[len(events) + 1 :]
    return found


TABLE = transcription()


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_cell(state: State, event: Event) -> None:
    expected = TABLE.get((str(state), str(event)))
    oracle = TRANSITION_TABLE.get((str(event), str(state)))
    cell = TRANSITIONS.get((state, event))
    assert (cell[0] if cell else None) == (expected[0] if expected else None) == oracle
    if cell and expected:
        action, following = cell
        assert [following, *([OTHERWISE[action]] if action in OTHERWISE else [])] == expected[1]
        theirs = ACTIONS[str(action)][2]
        assert tuple(expected[1]) == (theirs if isinstance(theirs, tuple) else (theirs,))


def test_the_transcription_has_the_size_of_the_table() -> None:
    assert len(State) == 13 and len(Event) == 19
    assert len(TABLE) == len(TRANSITION_TABLE) == len(TRANSITIONS) == 123


def test_every_action_is_somewhere() -> None:
    assert {action for action, _ in TRANSITIONS.values()} == set(Action)


def test_the_table_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[State.IDLE, Event.CLOSED] = Action.AA_2, State.IDLE  # type: ignore[index]
