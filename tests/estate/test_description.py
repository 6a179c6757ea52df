"""Descriptions: what is drawn is what was asked for, and the same each time."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address, ip_network
from pathlib import Path

import estate
import pytest
from estate.description import Estate, draw, read
from estate.kinds import KINDS, VERDICTS
from estate.play import archives_of
from estate.truth import truth

HERE = Path(estate.__file__).parent


def drawn(name: str, **changed: object) -> Estate:
    return draw(read(HERE / f"{name}.toml") | changed)


@pytest.fixture(scope="module")
def survey() -> Estate:
    return drawn("2019")


def test_the_survey_of_2019_has_its_figures(survey: Estate) -> None:
    known = truth(survey, archives_of(survey))
    summary = known["summary"]
    assert (summary["systems"], summary["open"], summary["countries"]) == (2_300, 590, 52)
    assert summary["by_country"]["US"] == 187
    assert summary["studies"] == 240_000
    there = {
        port["archive"]: port["studies"]
        for system in known["systems"]
        if system["country"] == "US" and system["ports"][0]["verdict"] == "open"
        for port in system["ports"][:1]
    }
    assert sum(there.values()) == 137_000
    assert sum(port["service"] == "web" for system in known["systems"] for port in system["ports"]) == 39


def test_every_system_has_an_address_of_its_own_in_a_network_of_its_country(survey: Estate) -> None:
    addresses = [system.address for system in survey.systems]
    assert len(set(addresses)) == len(addresses)
    countries = {network.cidr: network.country for network in survey.networks}
    assert len(countries) == len(survey.networks) == 256
    for system in survey.systems:
        assert ip_address(system.address) in ip_network(survey.range)
        assert countries[f"{system.address.rpartition('.')[0]}.0/24"] == system.country


def test_doors_of_one_archive_are_in_one_country(survey: Estate) -> None:
    doors: dict[tuple[int, ...], list[str]] = {}
    for system in survey.systems:
        if archives := system.places[0].archives:
            doors.setdefault(archives, []).append(system.country)
    assert Counter(map(len, doors.values()))[2] == 10
    assert all(len(set(countries)) == 1 for countries in doors.values())


def test_the_same_description_gives_the_same_estate_and_another_seed_another(survey: Estate) -> None:
    assert drawn("2019") == survey
    assert drawn("2019", seed=1).systems != survey.systems


def test_the_zoo_has_one_of_every_kind() -> None:
    zoo = drawn("zoo")
    there = {place.kind for system in zoo.systems for place in system.places}
    assert KINDS.keys() - there == {"capped-50000"}  # too large for a cage
    assert {kind.verdict for kind in KINDS.values()} == VERDICTS.keys()


def test_the_small_one_is_small() -> None:
    small = drawn("small")
    assert len(small.systems) == 60
    assert sum(holding.studies for holding in small.holdings if not holding.hollow) < 5_000


def test_a_kind_that_there_is_not() -> None:
    with pytest.raises(SystemExit, match="no kind 'pacs'"):
        draw({"range": "127.1.1.0/24", "ports": {"dicom": [104]}, "systems": [{"kind": "pacs"}]})
