"""A surveyed network of every kind of host, and what its reports are about; names as hostile as they come."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import astuple, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import observed

from leadglass.scan.conclusions import Network, conclude
from leadglass.scan.constituency import Constituency, Owner
from leadglass.scan.observation import METHOD, Observation, Outcome
from leadglass.scan.plan import plan
from leadglass.scan.register import Done, Judgement, Kind, Register, Survey, Tally
from leadglass.scan.report.context import About, Earlier
from leadglass.scan.results import keep, load
from leadglass.scan.scope import Scope, read_scope
from leadglass.scan.words import About as Asked

NOW = observed.NOW  # 2025-10-09
DAY = 86_400_000
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</style>"
SERVER = "<b onmouseover=alert(3)>/1.0 \"'&"

SCOPE = """
[authorisation]
organisation = "{organisation}"
authorised_by = "Dr. Ines Weber, chief information officer"
contact = "it-security@st-example.org, +49 30 5550199"
legal_basis = "own networks"
valid_from = {day}
valid_to = {until}
ranges = ["10.1.0.0/24", "2001:db8::/120", "127.0.0.0/8"]
[targets]
ranges = ["10.1.0.0/24"]
hosts = ["[2001:db8::7]:104"]
ports = [80, 104, 2762, 4242, 8042]
[limits]
max_level = "count"
options = ["people", "identifiers"]
[reports]
tlp = "{tlp}"
constituency = "{constituency}"
"""


def scope_text(
    organisation: str = "St. Example Hospital",
    tlp: str = "AMBER+STRICT",
    *,
    now: int = NOW,
    constituency: str = "",
) -> str:
    return SCOPE.format(
        organisation=organisation, tlp=tlp, day=day(now), until=day(now + DAY), constituency=constituency
    )


def scope(organisation: str = "St. Example Hospital", tlp: str = "AMBER+STRICT") -> Scope:
    return read_scope(scope_text(organisation, tlp).encode(), NOW)


def day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"


def about(*, of: Scope | None = None, **changes: Any) -> About:
    """Of a survey that is finished, the third of its kind."""
    found = of or scope()
    survey = Survey(3, NOW, NOW + 61_000, Kind.SURVEY, METHOD, "outside-1", "", "", {}, 1)
    before = (
        Earlier(NOW - 60 * DAY, METHOD, 9, 4, "F"),
        Earlier(NOW - 30 * DAY, METHOD, 9, 3, "F"),
    )
    return replace(About(survey, found, Tally(400, 90, 6), NOW + 62_000, {}, before), **changes)


OWNERS = (
    Owner("10.1.0.0/24", "St. Example Hospital", contact="it@st-example.org", country="DE", asn="64496"),
    Owner("10.1.0.7/32", "Radiologie am Markt", contact="praxis@markt.example", language="de"),
    Owner("10.1.0.9/32", EVIL, contact="=cmd|' /C calc'!A0", country="US", language="en"),
)


def everybody() -> list[tuple[str, list[Observation]]]:
    """By host: open and counted, refusing, Orthanc twice over, a web server that lists files, a honeypot,
    one archive behind two doors, one that speaks TLS only, one that is busy, one without a name."""

    def at(last: int | str, port: int = 104, **more: Any) -> dict[str, Any]:
        return {"address": last if isinstance(last, str) else f"10.1.0.{last}", "port": port, **more}

    orthanc = [*observed.orthanc_as_packaged(**at(9, 4242)), *observed.orthanc_web(**at(9, 8042))]
    listing = observed.http(
        Asked.LISTING, path="/export/", links=12, type="text/html", server=SERVER, **at(10, 80)
    )
    unnamed = [
        observed.associate(
            implementation_class_uid="1.2.3.4", implementation_version_name="<i>ARCHIVE</i>", **at(14)
        ),
        observed.find(**at(14)),
    ]
    hosts = [
        [
            *observed.dcmqrscp_open(1234, **at(7))[:-1],
            observed.count(1234, people=421, queries=9, mark="0a", **at(7)),
            observed.identifiers(**at(7)),
        ],
        observed.refuses_strangers(**at(8)),
        orthanc,
        [listing],
        [*observed.dcmqrscp_open(7, **at(11)), observed.offers("1.2.3", accepts_unknown=True, maximum_length=16384, **observed.DCMTK, **at(11))],
        [
            *observed.dcmqrscp_open(1234, **at("2001:db8::7"))[:-1],
            observed.count(1234, queries=1, mark="0a", **at("2001:db8::7")),
        ],
        [observed.tls(begins=0, expires=1 << 42, **at(12, 2762)), observed.associate(Outcome.ALERTED, alert="certificate-required",
                                                         tls=True, **at(12, 2762))],
        [observed.rejected(2, 3, 1, **at(13))],
        unnamed,
    ]  # fmt: skip
    return [(host[0].address, host) for host in hosts]


def network(
    seen: Iterable[tuple[str, list[Observation]]] | None = None,
    owners: Iterable[Owner] = OWNERS,
    overruled: Iterable[str] = (),
) -> Network:
    return conclude(everybody() if seen is None else seen, Constituency(owners), frozenset(overruled))


def judgements(*keys: str) -> Mapping[str, Judgement]:
    return {key: Judgement(key, NOW, NOW + DAY, "r.koch", f"we know it {EVIL}") for key in keys}


def fill(
    register: Register,
    folder: Path,
    now: int,
    seen: Iterable[tuple[str, list[Observation]]] | None = None,
    owners: Iterable[Owner] = OWNERS,
    *,
    doors: Iterable[tuple[str, tuple[int, ...]]] = (),
) -> Survey:
    """A survey in the register that ended `now` (ms, UTC), with all that follows from one. `doors`: what it
    has gone through besides the scope."""
    hosts = everybody() if seen is None else list(seen)
    write_owners(folder / "owners.csv", owners)
    text = scope_text(now=now, constituency="owners.csv")
    of = read_scope(text.encode(), now)
    singles = [("2001:db8::7", (104,)), *doors]
    planned = plan(of.ranges, of.ports, singles, of.do_not_probe)
    survey = register.begin(text, planned.to_json(), planned.blocks, "outside-1", now, folder=str(folder))
    done = [Done(address, [replace(each, at=now) for each in what], now) for address, what in hosts]
    register.write_hosts(survey.id, done)
    for block in range(planned.blocks):
        register.block_done(survey.id, block, Tally(400, 90, 6)).result()
    register.finish(survey.id, now)
    keep(register, load(register, register.survey(survey.id), now))
    return register.survey(survey.id)


def write_owners(path: Path, owners: Iterable[Owner]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(each.name for each in fields(Owner))
        rows.writerows(map(astuple, owners))
