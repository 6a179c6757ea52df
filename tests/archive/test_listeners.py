"""What a look at the server's listeners leaves behind: shut at once, durable, and on the record when it changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from leadglass.access.listeners import LISTENER
from leadglass.access.principal import Via
from leadglass.archive.listeners import NAMES, Look, Met, sentence
from leadglass.compose import open_home
from leadglass.errors import Unavailable
from leadglass.home import clock


def look(listener: str, met: Met, at: int = 7, **more: str) -> Look:
    return Look(listener, "127.0.0.1:104", at, met, more.pop("saw", "answers"), more.pop("checks", ""))


def changes(clinic: Any) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Actor, action, listener and details of every entry about a listener, in order."""
    found = (*clinic.entries("listener.shut"), *clinic.entries("listener.open"))
    entries = [each.entry for each in sorted(found, key=lambda each: each.seq)]
    return [(each.actor, each.action, each.via, dict(each.detail)) for each in entries]


def shut(listeners: Any) -> set[Via]:
    return {via for via in Via if listeners.is_shut(via)}


def test_a_home_that_nobody_looked_at_has_nothing_shut(clinic: Any) -> None:
    assert shut(clinic.services.listeners) == set()
    assert clinic.services.listeners.last() == ()


@pytest.mark.parametrize("listener", NAMES)
def test_only_the_listener_that_answers_is_shut(clinic: Any, listener: str) -> None:
    listeners = clinic.services.listeners
    listeners.note([look(each, Met.ANSWERS if each == listener else Met.REFUSAL) for each in NAMES])
    assert shut(listeners) == {via for via, name in LISTENER.items() if name == listener}


def test_a_change_is_on_the_record_and_nothing_else_is(clinic: Any) -> None:
    listeners = clinic.services.listeners
    before = clinic.record_size()
    listeners.note([look("dimse", Met.REFUSAL), look("http", Met.NOTHING)])
    assert clinic.record_size() == before
    for at, met in (
        (8, Met.ANSWERS),
        (9, Met.ANSWERS),
        (10, Met.NOTHING),
        (11, Met.REFUSAL),
        (12, Met.REFUSAL),
    ):
        listeners.note([look("http", met, at, checks="W01 W10")])
    said = {"listener": "http", "address": "127.0.0.1:104", "saw": "answers", "checks": "W01 W10"}
    assert changes(clinic) == [
        ("system", "listener.shut", "web", said),
        ("system", "listener.open", "web", said),
    ]
    assert clinic.record_size() == before + 2


def test_what_cannot_be_judged_mends_nothing(clinic: Any) -> None:
    listeners = clinic.services.listeners
    listeners.note([look("dimse", Met.ANSWERS, 8)])
    listeners.note([look("dimse", Met.NOTHING, 9, saw="mute")])
    (last,) = listeners.last()
    assert (last.look.saw, last.shut, listeners.is_shut(Via.DIMSE)) == ("mute", 8, True)
    assert sentence(last) == "could not be judged (mute). It stays shut: it answered strangers before."


def test_it_is_so_in_every_process_and_after_a_restart(clinic: Any) -> None:
    with open_home(clinic.root, os.environ, clock, clinic.site_of) as beside:
        clinic.services.listeners.note([look("dimse", Met.ANSWERS)])
        assert shut(beside.services.listeners) == set()
        beside.services.listeners.refresh()
        assert shut(beside.services.listeners) == {Via.DIMSE}
    with open_home(clinic.root, os.environ, clock, clinic.site_of) as again:
        assert shut(again.services.listeners) == {Via.DIMSE}
        again.services.listeners.note([look("dimse", Met.REFUSAL)])
    clinic.services.listeners.refresh()
    assert shut(clinic.services.listeners) == set()


def test_what_the_disk_does_not_take_is_shut_all_the_same(
    clinic: Any, mute: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    listeners = clinic.services.listeners
    mute()
    with pytest.raises(Unavailable):
        listeners.note([look("dimse", Met.ANSWERS, 8)])
    assert listeners.last() == ()
    listeners.refresh()
    assert shut(listeners) == {Via.DIMSE}
    monkeypatch.undo()
    listeners.note([look("dimse", Met.NOTHING, 9)])  # kept now, although it shows nothing
    assert shut(listeners) == {Via.DIMSE}
    assert [(each.shut, each.look.met) for each in listeners.last()] == [(9, Met.NOTHING)]
    assert [action for _, action, _, _ in changes(clinic)] == ["listener.shut"]


def test_one_that_is_served_no_more_is_forgotten_unless_it_is_shut(clinic: Any) -> None:
    listeners = clinic.services.listeners
    listeners.note([look("dimse", Met.ANSWERS), look("receive", Met.REFUSAL), look("http", Met.REFUSAL)])
    listeners.note([look("http", Met.REFUSAL)])
    assert [each.look.listener for each in listeners.last()] == ["dimse", "http"]
    assert shut(listeners) == {Via.DIMSE}
