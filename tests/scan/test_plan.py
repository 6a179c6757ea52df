"""The order of a survey: everybody once, neighbours far apart."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import Violation
from leadglass.scan.addresses import AddressSet, range_of
from leadglass.scan.plan import BLOCK, Plan, plan


def made(*ranges: str) -> AddressSet:
    return AddressSet.of(map(range_of, ranges))


def walk(of: Plan) -> list[tuple[str, tuple[int, ...]]]:
    return [host for number in range(of.blocks) for host in of.block(number)]


@given(st.integers(0, 3000), st.integers(0, 5))
def test_each_host_once(size: int, singles: int) -> None:
    ranges = made(f"10.0.0.0-10.0.{size // 256}.{size % 256}") if size else AddressSet()
    found = Plan(ranges, (104,), tuple((f"10.9.0.{n}", (n + 1,)) for n in range(singles)))
    hosts = walk(found)
    assert len(hosts) == found.hosts == ranges.size + singles
    assert set(Counter(address for address, _ in hosts).values()) <= {1}
    assert sum(len(ports) for _, ports in hosts) == found.endpoints


def test_neighbours_are_far_apart() -> None:
    hosts = [address for address, _ in walk(Plan(made("10.0.0.0/16"), (104,)))]
    networks = [address.rpartition(".")[0] for address in hosts[:BLOCK]]
    assert max(Counter(networks).values()) <= 2


def test_hosts_with_ports_of_their_own() -> None:
    found = plan(
        made("10.0.0.0/30"),
        (104, 11112),
        [
            ("10.0.0.1", (80,)),
            ("10.7.0.1", (4242,)),
            ("10.7.0.2", None),
            ("10.7.0.1", (80,)),
            ("10.8.0.1", (1,)),
        ],
        made("10.8.0.0/16", "10.0.0.3"),
    )
    assert dict(walk(found)) == {
        "10.0.0.0": (104, 11112),
        "10.0.0.1": (104, 11112, 80),
        "10.0.0.2": (104, 11112),
        "10.7.0.1": (4242, 80),
        "10.7.0.2": (104, 11112),
    }


def test_too_many_ports_of_one_host() -> None:
    with pytest.raises(Violation):
        plan(AddressSet(), (1,), [("10.0.0.1", tuple(range(1, 66)))], AddressSet())


def test_it_survives_being_kept() -> None:
    found = plan(made("10.0.0.0/24", "fd00::/120"), (104,), [("10.0.0.7", (80,))], AddressSet())
    assert Plan.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("members", [{}, {"ranges": ["x"], "ports": [], "singles": []}, {"ranges": 7}])
def test_what_is_no_plan(members: dict[str, object]) -> None:
    with pytest.raises(Violation):
        Plan.from_json(members)
