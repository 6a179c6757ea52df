"""A survey for other programs: JSON whole, CSV of findings, IntelMQ events, a MISP event.

Sources: IntelMQ's event format and its classification, which is ENISA's RSIT (taxonomy `vulnerable`); the
MISP core format (draft-dulaunoy-misp-core-format); TLP 2.0 (FIRST).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import orjson

from leadglass.scan import wording
from leadglass.scan.checks import CHECKS, Severity
from leadglass.scan.conclusions import Count, Host, Network, Port
from leadglass.scan.constituency import Owner
from leadglass.scan.findings import Finding
from leadglass.scan.report.context import About
from leadglass.scan.wording import Language

FEED: Final = "Leadglass exposure survey"
_EN: Final = Language.EN
# RSIT's types below `vulnerable`: what shows data, what is too weak, and what need not be reachable at all.
_DISCLOSES: Final = frozenset({"D06", "D07", "D10", "W01", "W02", "W03", "W09"})
_WEAK: Final = frozenset({"T02"})
_MISP_LEVELS: Final = {
    Severity.CRITICAL: "1",
    Severity.HIGH: "1",
    Severity.MEDIUM: "2",
}  # high, medium; else low


def as_json(network: Network, about: About) -> str:
    """Everything that a report says, and the observations that it rests on."""
    return orjson.dumps(
        {
            "format": 1,
            "tlp": about.scope.tlp,
            "survey": {
                "id": about.survey.id,
                "started": _iso(about.survey.started),
                "finished": None if about.survey.finished is None else _iso(about.survey.finished),
                "method": about.survey.method,
                "vantage": about.survey.vantage,
                "scope": about.scope.digest,
                "organisation": about.scope.organisation,
            },
            "network": {
                "grade": network.grade.grade,
                "grades": {grade.value: number for grade, number in network.grade.counts.items()},
                "levels": {level.name.lower(): number for level, number in network.levels.items()},
                "products": dict(network.products),
                "total": _count(network.total),
                "nobody": {
                    "refused": about.tally.refused,
                    "silent": about.tally.silent,
                    "unreachable": about.tally.unreachable,
                },
            },
            # One by one, and each on a line: as objects, thousands of them are several times as large.
            "hosts": [orjson.Fragment(orjson.dumps(_host(host, network))) for host in network.hosts],
            "doubts": [
                {
                    "key": doubt.key,
                    "kind": doubt.kind,
                    "reason": doubt.reason,
                    "weight": doubt.weight.name.lower(),
                    "targets": list(map(str, doubt.targets)),
                    "sentence": wording.doubt(doubt, _EN),
                    "overruled": doubt.key in about.overruled,
                }
                for doubt in network.doubts
            ],
        },
        option=orjson.OPT_INDENT_2,
    ).decode()


def _host(host: Host, network: Network) -> dict[str, Any]:
    return {
        "address": host.address,
        "owner": host.owner.organisation if host.owner else "",
        "grade": host.graded.grade,
        "level": int(host.level),
        "counts": host.address not in network.apart,
        "ports": [_port(port) for port in host.ports],
        "observations": [each.to_json() for each in host.observations],
    }


def _port(port: Port) -> dict[str, Any]:
    return {
        "port": port.port,
        "verdict": port.verdict.verdict,
        "level": int(port.verdict.level),
        "grade": port.graded.grade,
        "programs": [
            {"name": each.name, "version": each.version, "provenance": each.provenance}
            for each in port.identities
        ],
        "calls_itself": port.calls_itself,
        "count": _count(port.count),
        "identifiers": list(port.identifiers),
        "findings": [
            {
                "check": finding.check,
                "title": wording.title(finding.check, _EN),
                "severity": finding.severity.name.lower(),
                "certainty": CHECKS[finding.check].certainty,
                "seen": wording.seen(finding, _EN),
                "proof": list(finding.proof),
                "facts": dict(finding.facts),
            }
            for finding in port.findings
        ],
    }


def _count(count: Count | None) -> dict[str, Any] | None:
    if count is None:
        return None
    return {
        "studies": count.studies,
        "exact": count.exact,
        "images": count.images,
        "people": count.people,
        "at_least": sorted(count.least),
    }


# --- CSV ----------------------------------------------------------------------------------------------------

_NOBODY: Final = Owner("")
_COLUMNS: Final = (
    "tlp", "time", "address", "port", "organisation", "contact", "country", "grade", "level", "check",
    "severity", "title", "seen", "programs", "studies", "exact", "images", "people",
)  # fmt: skip


def as_csv(network: Network, about: About) -> str:
    """One row for each finding. What a spreadsheet would take for a formula gets an apostrophe before it."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(_COLUMNS)
    for host, port, finding in _findings(network):
        owner, count = host.owner or _NOBODY, port.count
        amounts = ("",) * 4 if count is None else (count.studies, count.exact, count.images, count.people)
        cells = (
            f"TLP:{about.scope.tlp}", _iso(_seen_at(host, finding)), host.address, port.port,
            owner.organisation, owner.contact, owner.country,
            port.graded.grade or "", int(port.verdict.level), finding.check, finding.severity.name.lower(),
            wording.title(finding.check, _EN), wording.seen(finding, _EN),
            port.program, *amounts,
        )  # fmt: skip
        rows.writerow([_harmless(cell) for cell in cells])
    return out.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


# --- IntelMQ ------------------------------------------------------------------------------------------------


def as_intelmq(network: Network, about: About) -> str:
    """One event a line. Findings that are worth nobody's attention are left out."""
    return "".join(
        orjson.dumps(_event(host, port, finding, about)).decode() + "\n"
        for host, port, finding in _findings(network)
        if finding.severity > Severity.INFO and host.address not in network.apart
    )


def _event(host: Host, port: Port, finding: Finding, about: About) -> dict[str, Any]:
    owner = host.owner
    event = {
        "feed.name": FEED,
        "feed.provider": about.scope.organisation,
        "time.source": _iso(_seen_at(host, finding)),
        "time.observation": _iso(about.made),
        "source.ip": host.address,
        "source.port": port.port,
        "protocol.transport": "tcp",
        "protocol.application": "https" if finding.check.startswith("W") else "dicom",
        "classification.taxonomy": "vulnerable",
        "classification.type": _type(finding.check),
        "classification.identifier": CHECKS[finding.check].slug,
        "event_description.text": wording.title(finding.check, _EN),
        "tlp": _TLP[about.scope.tlp],
        "extra.check": finding.check,
        "extra.severity": finding.severity.name.lower(),
        "extra.level": int(port.verdict.level),
    }
    if owner is not None:
        event |= {"source.geolocation.cc": owner.country, "source.abuse_contact": owner.contact}
        if owner.asn.isdigit():
            event["source.asn"] = int(owner.asn)
    if port.count is not None:
        event |= {"extra.studies": port.count.studies, "extra.exact": port.count.exact}
    return {name: value for name, value in event.items() if value != ""}


def _type(check: str) -> str:
    if check in _DISCLOSES:
        return "information-disclosure"
    if check in _WEAK:
        return "weak-crypto"
    return "vulnerable-system" if check == "F01" else "potentially-unwanted-accessible"


# IntelMQ knows TLP 1's four colours.
_TLP: Final[Mapping[str, str]] = MappingProxyType(
    {"CLEAR": "WHITE", "GREEN": "GREEN", "AMBER": "AMBER", "AMBER+STRICT": "AMBER", "RED": "RED"}
)

# --- MISP ---------------------------------------------------------------------------------------------------


def as_misp(network: Network, about: About) -> str:
    """One event with an attribute for each port with a finding. UUIDs are made of what they name: a second
    import of the same survey is the same event."""
    name = f"leadglass:{about.scope.digest}:{about.survey.started}"
    worst = max((finding.severity for *_, finding in _findings(network)), default=Severity.INFO)
    event = {
        "uuid": str(uuid5(NAMESPACE_URL, name)),
        "info": f"{FEED}: {about.scope.organisation}",
        "date": datetime.fromtimestamp(about.survey.started / 1000, UTC).strftime("%Y-%m-%d"),
        "timestamp": str(about.made // 1000),
        "published": False,
        "analysis": "2",
        "threat_level_id": _MISP_LEVELS.get(worst, "3"),
        "distribution": "0",
        "Tag": [
            {"name": f"tlp:{about.scope.tlp.lower()}"},
            {"name": 'rsit:vulnerable="information-disclosure"'},
        ],
        "Attribute": [
            _attribute(name, host, port)
            for host in network.hosts
            if host.address not in network.apart
            for port in host.ports
            if _worth_telling(port)
        ],
    }
    return json.dumps({"Event": event}, indent=1)


def _attribute(name: str, host: Host, port: Port) -> dict[str, Any]:
    told = (f"{each.check} {wording.title(each.check, _EN)}" for each in _worth_telling(port))
    return {
        "uuid": str(uuid5(NAMESPACE_URL, f"{name}:{host.address}:{port.port}")),
        "type": "ip-dst|port",
        "category": "Network activity",
        "value": f"{host.address}|{port.port}",
        "to_ids": False,
        "comment": "; ".join(told),
        "first_seen": _iso(host.observations[0].at),
    }


def _worth_telling(port: Port) -> list[Finding]:
    return [each for each in port.findings if each.severity > Severity.INFO]


FORMATS: Final[Mapping[str, tuple[str, Callable[[Network, About], str]]]] = MappingProxyType(
    {
        "json": ("report.json", as_json),
        "csv": ("findings.csv", as_csv),
        "intelmq": ("intelmq.jsonl", as_intelmq),
        "misp": ("misp.json", as_misp),
    }
)


def _findings(network: Network) -> Iterator[tuple[Host, Port, Finding]]:
    for host in network.hosts:
        for port in host.ports:
            for finding in port.findings:
                yield host, port, finding


def _seen_at(host: Host, finding: Finding) -> int:
    return host.observations[finding.proof[0]].at


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
