"""Estates surveyed by the program itself, as a process: every verdict and count right, nobody else touched,
nothing of a patient kept, killed in the middle and resumed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from estate.held import SAYS, causes, differences, missed, unexplained
from estate.kinds import VERDICTS
from estate.leaks import leaks_in_files, planted_in, told_by
from estate.starting import Playing, own_range, playing
from estate.surveying import Said, Surveyor, ports_of, scope

pytestmark = pytest.mark.slow

OPTIONS = ("images", "people", "identifiers", "credentials")
# What a stranger may do at a door; a C-STORE, C-GET, C-MOVE or any N service is not among it.
ALLOWED = {
    "connections", "associations", "rejections", "releases", "aborts",
    "C_ECHO_RQ", "C_FIND_RQ", "C_CANCEL_RQ", "GET", "OPTIONS",
}  # fmt: skip
MEMORY = 200 << 20


@dataclass(frozen=True)
class Surveyed:
    estate: Playing
    surveyor: Surveyor
    said: Said

    @property
    def report(self) -> Any:
        return self.said.report


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Surveyed:
    """One of every kind, counted, with all that a scope may ask for."""
    surveyor = Surveyor(tmp_path_factory.mktemp("surveyor"))
    with playing("zoo", range_=own_range()) as estate:
        asked = scope(estate.truth["range"], ports_of(estate.truth), options=OPTIONS)
        said = surveyor.survey(asked)
    return Surveyed(estate, surveyor, said)


# --- the zoo ----------------------------------------------------------------------------------------------


def test_every_verdict_level_check_count_and_doubt_is_right(zoo: Surveyed) -> None:
    assert differences(zoo.estate.truth, zoo.report) == []


def test_what_is_held_against_the_truth_would_be_found_wrong(zoo: Surveyed) -> None:
    """A report with something changed is not the report of this estate."""
    kinds = {s["address"]: s["kind"] for s in zoo.estate.truth["systems"]}

    def changed(kind: str, how: Callable[[Any, Any], None]) -> list[str]:
        report = json.loads(json.dumps(zoo.report))
        for host in report["hosts"]:
            if kinds[host["address"]] == kind:
                for port in host["ports"]:
                    how(host, port)
        return differences(zoo.estate.truth, report)

    def count(many: int) -> Callable[[Any, Any], None]:
        return lambda _, port: port["count"].update(studies=many)

    assert changed("ssh", lambda _, port: port.update(verdict="counted"))
    assert changed("orthanc-like", lambda _, port: port.update(level=3))
    assert changed("open-conquest", lambda _, port: port["findings"].pop())
    assert changed("open-conquest", count(39)) and changed("open-conquest", count(41))
    assert changed("capped-500", count(1301)) and not changed("capped-500", count(1299))
    assert changed("dicompot", lambda host, _: host.update(counts=True))
    assert changed("open-fo-dicom", lambda host, _: host.update(counts=False))
    assert changed("open-fo-dicom", lambda _, port: port.update(port=1))
    assert SAYS.keys() - VERDICTS.keys() == {"closed"}


def test_where_a_count_is_a_bound_it_says_why(zoo: Surveyed) -> None:
    assert unexplained(zoo.estate.truth, zoo.report) == []
    told = {said["cause"] for said in causes(zoo.report).values() if "cause" in said}
    assert {"undated", "cap", "misbehaves", "bounds"} <= told


def test_one_archive_behind_several_doors_is_counted_once(zoo: Surveyed) -> None:
    assert missed(zoo.estate.truth, zoo.report) == 0
    told = [each["targets"] for each in zoo.report["doubts"] if each["reason"] == "same-studies"]
    assert len(told) >= 5  # three addresses with two ports each


def test_images_and_people_are_those_that_there_are(zoo: Surveyed) -> None:
    told, compared = causes(zoo.report), 0
    for system in zoo.estate.truth["systems"]:
        for place in system["ports"]:
            said = told.get((system["address"], place["port"]), {})
            if place["exact"] and place["verdict"] == "open" and "people" in said:
                assert (said["people"], said["images"]) == (place["people"], place["images"]), place["kind"]
                compared += 1
    assert compared > 12


def test_one_connection_at_a_time_and_nothing_but_what_a_stranger_may_do(zoo: Surveyed) -> None:
    assert set(zoo.estate.log["total"]) <= ALLOWED
    assert {"C_FIND_RQ", "C_CANCEL_RQ", "GET"} <= set(zoo.estate.log["total"])
    assert zoo.estate.log["most_at_once"] == 1


def test_nothing_of_a_patient_is_anywhere(zoo: Surveyed) -> None:
    home = zoo.surveyor.home
    assert leaks_in_files(home) == []
    with zoo.surveyor.register() as register:
        unsealed = told_by(register)
    assert planted_in(unsealed) == []
    # It is the register of this survey that was searched, its file is sealed, and what is looked for is found.
    assert b"OFFIS_DCMTK_367" in unsealed
    (sealed,) = home.rglob("register.db")
    assert leaks_in_files(sealed.parent, [b"OFFIS_DCMTK_367", b"SQLite format 3"]) == [
        "OFFIS_DCMTK_367 in surveys/1/report.json"
    ]
    (home / "planted").write_bytes("ZZPID10000P0000001".encode("utf-16-le"))
    assert leaks_in_files(home) == ["ZZPID in planted"]
    (home / "planted").unlink()


def test_whoever_behaves_badly_costs_no_more_than_so_much(zoo: Surveyed) -> None:
    """Endless PDUs, lengths of 4 GB, pages of 1 GB, bombs, a honeypot of two million studies."""
    assert zoo.said.memory < MEMORY
    pending = {where: said["pending"] for where, said in causes(zoo.report).items()}
    assert max(pending.values()) < 250_000
    assert (
        max(seen["said"].get("bytes", 0) for h in zoo.report["hosts"] for seen in h["observations"]) <= 65_536
    )


# --- killed, stopped, kept within -------------------------------------------------------------------------


def wait_until(under_way: Any, holds: Callable[[], bool]) -> None:
    """As long as the survey goes on."""
    while not holds():
        assert under_way.process.poll() is None, under_way.err.read_bytes().decode()


def test_killed_in_the_middle_it_goes_on_and_asks_nobody_twice(tmp_path: Path) -> None:
    surveyor = Surveyor(tmp_path)
    with playing("small", range_=own_range(1)) as estate:
        asked = scope(estate.truth["range"], ports_of(estate.truth), rate=200)
        under_way = surveyor.start(asked)
        wait_until(under_way, lambda: surveyor.hosts_done() >= 20)
        killed = under_way.stop(signal.SIGKILL)
        before = surveyor.seen()
        finished = surveyor.survey(scope(estate.truth["range"], ports_of(estate.truth), rate=200))
        after = surveyor.seen()
    assert killed.status == -signal.SIGKILL and killed.out == b""
    assert b"Going on with the survey" in finished.err
    assert 20 <= len(before) < len(after) == 60
    assert all(after[address] == seen for address, seen in before.items())
    assert differences(estate.truth, finished.report) == []
    assert unexplained(estate.truth, finished.report) == []
    assert estate.log["most_at_once"] == 1
    assert leaks_in_files(tmp_path) == []


def test_stopped_politely_it_lets_go_of_everybody_and_keeps_what_it_has(tmp_path: Path) -> None:
    surveyor = Surveyor(tmp_path)
    with playing("small", range_=own_range(1)) as estate:
        under_way = surveyor.start(scope(estate.truth["range"], ports_of(estate.truth), rate=200))
        wait_until(under_way, lambda: surveyor.hosts_done() >= 10)
        said = under_way.stop(signal.SIGINT)
    assert b"Stopped on request." in said.err
    assert len(said.report["hosts"]) == len(surveyor.seen()) >= 10
    assert said.report["survey"]["finished"] is None
    orthancs = {system["address"] for system in estate.systems("orthanc-like")}
    associated = [door for door in estate.log["doors"] if door.get("associations")]
    for door in associated:
        # Orthanc's own abort ends an association, too; one may cross ours, and ours our own release.
        withheld = door.get("C_FIND_RQ", 0) if door["address"] in orthancs else 0
        let_go = door.get("releases", 0) + door.get("aborts", 0) + withheld
        assert let_go >= door["associations"], door
    assert len(associated) >= 10


def test_nobody_outside_of_the_scope_and_nobody_on_the_list_is_touched(tmp_path: Path) -> None:
    """Every system of the estate is a listener that counts who comes."""
    with playing("small", range_=own_range(1)) as estate:
        whole = ip_network(estate.truth["range"])
        half, other = whole.subnets(1)
        inside = [s["address"] for s in estate.systems() if ip_address(s["address"]) in half]
        avoided, asked = inside[::3], set(inside) - set(inside[::3])
        Surveyor(tmp_path).survey(scope(str(half), ports_of(estate.truth), avoid=avoided))
    came = {door["address"] for door in estate.log["doors"]}
    assert came == asked
    assert avoided and any(ip_address(s["address"]) in other for s in estate.systems())


@pytest.mark.parametrize(("level", "asked"), [("associate", set()), ("query", {"C_FIND_RQ"})])
def test_it_goes_no_further_than_it_may(tmp_path: Path, level: str, asked: set[str]) -> None:
    with playing("small", range_=own_range(1)) as estate:
        said = Surveyor(tmp_path).survey(scope(estate.truth["range"], ports_of(estate.truth), level=level))
    assert set(estate.log["total"]) & {"C_FIND_RQ", "C_CANCEL_RQ"} == asked
    most = {"associate": 1, "query": 3}[level]
    right = {
        (s["address"], place["port"]): min(most, max(place["levels"]))
        for s in estate.systems()
        for place in s["ports"]
    }
    seen = {(h["address"], port["port"]): port["level"] for h in said.report["hosts"] for port in h["ports"]}
    assert seen == right
    assert causes(said.report) == {}
    assert leaks_in_files(tmp_path) == []
