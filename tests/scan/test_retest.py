"""Which ports are worth a second look, and which of them a person means."""

from __future__ import annotations

import pytest
import reported
from observed import NOW, dcmqrscp_open, refuses_strangers, seen

from leadglass.errors import NotFound
from leadglass.scan.observation import Outcome
from leadglass.scan.results import Result
from leadglass.scan.retest import chosen, closures, is_open, opened, plan_for


def test_what_is_to_be_closed_is_looked_at_again() -> None:
    """Files on a web server too, where nobody associates; not who refuses strangers or was busy."""
    found = opened(reported.network())
    assert found == {
        "10.1.0.7": (104,), "10.1.0.9": (4242, 8042), "10.1.0.10": (80,), "10.1.0.11": (104,),
        "10.1.0.14": (104,), "2001:db8::7": (104,),
    }  # fmt: skip
    for host in reported.network().hosts:
        for port in host.ports:
            assert is_open(port) is (port.port in found.get(host.address, ()))


def test_those_that_are_named_or_all() -> None:
    doors = opened(reported.network())
    assert chosen(doors, []) == doors
    assert chosen(doors, [("10.1.0.9", (8042,))]) == {"10.1.0.9": (8042,)}
    assert chosen(doors, [("10.1.0.9", None)]) == {"10.1.0.9": (4242, 8042)}
    for wrong, named in (
        (("10.1.0.9", (1,)), "10.1.0.9:1"),
        (("10.1.0.9", (4242, 9)), "10.1.0.9:9"),
        (("10.1.0.8", (104,)), "10.1.0.8:104"),
        (("10.1.0.8", None), "10.1.0.8"),
    ):
        with pytest.raises(NotFound, match=f"{named}\\.$"):
            chosen(doors, [wrong])


def test_the_plan_is_these_ports_and_no_others() -> None:
    doors = opened(reported.network())
    plan = plan_for(doors, reported.scope())
    assert (plan.hosts, plan.endpoints) == (6, 7)
    assert {address: ports for block in range(plan.blocks) for address, ports in plan.block(block)} == doors


def test_before_and_after_of_each_port_that_was_looked_at() -> None:
    before = reported.network([("10.0.0.1", dcmqrscp_open(address="10.0.0.1")),
                               ("10.0.0.2", dcmqrscp_open(address="10.0.0.2")),
                               ("10.0.0.3", dcmqrscp_open(address="10.0.0.3"))])  # fmt: skip
    later = NOW + 60_000
    after = reported.network([("10.0.0.1", refuses_strangers(address="10.0.0.1", at=later)),
                              ("10.0.0.2", [seen("tcp", Outcome.REFUSED, address="10.0.0.2", at=later)])])  # fmt: skip
    doors = {f"10.0.0.{n}": (104,) for n in (1, 2, 3)}
    found = closures(Result(before, reported.about()), Result(after, reported.about()), doors)
    assert [(each.address, each.is_closed) for each in found] == [("10.0.0.1", True), ("10.0.0.2", True)]
    assert {each.vantage for each in found} == {"outside-1"}
