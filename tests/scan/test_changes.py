"""What is different between two surveys, port by port."""

from __future__ import annotations

import reported
from observed import associate, dcmqrscp_open, echo, refuses_strangers, rejected

from leadglass.scan.changes import Change, changes
from leadglass.scan.conclusions import Network


def network(**ports: list[object]) -> Network:
    """By last number of the address, `a7`, with what was seen at port 104."""
    return reported.network([(f"10.0.0.{name[1:]}", what) for name, what in ports.items()], owners=())


def at(last: int, make: object = dcmqrscp_open, **more: object) -> list[object]:
    return make(address=f"10.0.0.{last}", **more)  # type: ignore[operator,no-any-return]


def test_nothing_has_changed() -> None:
    assert changes(network(a7=at(7)), network(a7=at(7))) == []
    assert changes(network(), network()) == []


def test_opened_closed_and_changed() -> None:
    before = network(a7=at(7), a8=at(8, refuses_strangers), a9=at(9, refuses_strangers), a10=at(10))
    called = [rejected(1, 1, 7, address="10.0.0.9")]
    after = network(a7=at(7, refuses_strangers), a8=at(8), a9=called, a11=at(11))
    assert changes(before, after) == [
        Change("10.0.0.7", 104, "counted", "refuses-strangers", False, "closed"),
        Change("10.0.0.8", 104, "refuses-strangers", "counted", True, "opened"),
        Change("10.0.0.9", 104, "refuses-strangers", "wrong-title", False, "changed"),
        Change("10.0.0.10", 104, "counted", "closed", False, "closed"),
        Change("10.0.0.11", 104, "closed", "counted", True, "opened"),
    ]


def test_further_in_is_opened_too() -> None:
    echoes = [associate(address="10.0.0.7"), echo(address="10.0.0.7")]
    (found,) = changes(network(a7=echoes), network(a7=at(7)))
    assert (found.before, found.word) == ("echoes", "opened")
