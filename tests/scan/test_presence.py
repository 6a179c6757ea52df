"""Which kinds of identifiers a host shows: words and percentages, and nothing of what was shown."""

from __future__ import annotations

from typing import Any

import pytest
import raw_peer as raw
from strangers import PENDING, QUICK, STUDY_FIND, Host, element, manner, matches, names, one, probe

from leadglass.scan.manner import Option
from leadglass.scan.observation import Level, Observation, Outcome

ONLY = frozenset({raw.VERIFICATION, STUDY_FIND})
NAME, PATIENT_ID, BIRTH_DATE, ADDRESS, DATE = 0x00100010, 0x00100020, 0x00100030, 0x00101040, 0x00080020
PLANTED = (b"NOBODY^PLANTED", b"078-05-1120", b"19991231", b"Nowhere 1")


def planted(number: int, name: bytes = PLANTED[0]) -> bytes:
    """A record; every second has an address."""
    return (
        element(NAME, name)
        + element(PATIENT_ID, PLANTED[1])
        + element(BIRTH_DATE, PLANTED[2].replace(b"1999", b"1971"))
        + element(ADDRESS, PLANTED[3] if number % 2 else b"")
        + element(0x0020000D, b"1.2.840.99999.2.%d" % number)
    )


def look(host: Host, *options: Option) -> list[Observation]:
    return probe(host, manner(Level.COUNTED, *options, patience=QUICK))


def test_not_without_the_scopes_word() -> None:
    host = Host(matches(*map(planted, range(4))), services=ONLY)
    assert "identifiers" not in names(look(host))
    assert not any(NAME in keys or PATIENT_ID in keys for keys in host.asked)


def test_kinds_and_their_shares() -> None:
    found = one(
        look(Host(matches(*map(planted, range(4))), services=ONLY), Option.IDENTIFIERS), "identifiers"
    )
    assert found.outcome is Outcome.ANSWERED
    shares = dict(zip(found.said["kinds"], found.said["shares"], strict=True))
    assert shares == {"address": 50, "birth-date": 100, "name": 100, "national-id": 100, "patient-id": 100}
    assert found.said["records"] == 4
    assert "patientname" in found.sent["keys"]
    assert not any(part.decode() in repr(found) for each in PLANTED for part in each.split(b"^"))


def test_a_few_records_are_enough() -> None:
    host = Host(matches(*map(planted, range(3000))), services=ONLY)
    found = one(look(host, Option.IDENTIFIERS), "identifiers")
    assert found.said["records"] == 25 <= found.said["pending"]
    assert host.cancelled == 1


def test_something_is_a_percent_at_least() -> None:
    records = [planted(n, b"") for n in range(24)] + [planted(24)]
    found = one(look(Host(matches(*records), services=ONLY), Option.IDENTIFIERS), "identifiers")
    assert dict(zip(found.said["kinds"], found.said["shares"], strict=True))["name"] == 4


def test_an_archive_of_nobody_shows_nothing() -> None:
    found = one(look(Host(matches(), services=ONLY), Option.IDENTIFIERS), "identifiers")
    assert (found.said["records"], found.said["kinds"], found.said["shares"]) == (0, (), ())


def refusing(refuses: Any) -> Any:
    """Refuses the queries that `refuses` says; studies of this month for the others."""

    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        if keys.get(DATE, b"").startswith(b"18"):
            return [(0, None)]
        if refuses(keys):
            return [(0xA700, None)]
        return [(PENDING, planted(1)), (0, None)]

    return find


@pytest.mark.parametrize(
    "refuses",
    [lambda keys: DATE not in keys, lambda keys: 0x00102154 in keys],
    ids=["everything at once", "unusual keys"],
)
def test_whoever_refuses_is_asked_for_less(refuses: Any) -> None:
    found = one(look(Host(refusing(refuses), services=ONLY), Option.IDENTIFIERS), "identifiers")
    assert found.said["records"] == 1 and "name" in found.said["kinds"]


def test_data_sets_that_are_none_are_no_records() -> None:
    rubbish = b"\x10\0\x10\0\xff\xff\xff\x7f" + PLANTED[0]
    found = one(look(Host(matches(rubbish), services=ONLY), Option.IDENTIFIERS), "identifiers")
    assert (found.said["records"], found.said["kinds"]) == (0, ())
