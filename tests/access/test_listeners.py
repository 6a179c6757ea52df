from __future__ import annotations

import pytest

from leadglass.access.listeners import LISTENER, Look, Looked, Met
from leadglass.access.principal import Via

ANSWERED, REFUSED, UNCLEAR = (
    Look("dimse", "127.0.0.1:2762", at, met, "word")
    for at, met in ((1, Met.ANSWERS), (2, Met.REFUSAL), (3, Met.NOTHING))
)


@pytest.mark.parametrize(
    ("shut", "look", "after"),
    [
        (None, ANSWERED, 1),
        (0, ANSWERED, 0),  # since when stays as it was
        (None, REFUSED, None),
        (0, REFUSED, None),
        (None, UNCLEAR, None),  # no alarm, and nothing mended
        (0, UNCLEAR, 0),
    ],
)
def test_what_answers_is_shut_and_what_refuses_opens(shut: int | None, look: Look, after: int | None) -> None:
    assert Looked(REFUSED, shut).after(look) == Looked(look, after)


def test_well_is_who_refuses_and_is_not_shut() -> None:
    well = [Looked(look, shut).is_well for look in (ANSWERED, REFUSED, UNCLEAR) for shut in (None, 5)]
    assert well == [False, False, True, False, False, False]


def test_every_way_in_but_the_command_line_is_a_listener_s() -> None:
    assert set(Via) - set(LISTENER) == {Via.COMMAND}
