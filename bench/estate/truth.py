"""What is true of an estate, for those who survey it to be measured by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from estate import markers
from estate.archive import Archive
from estate.description import Estate, Place, System


def truth(estate: Estate, archives: Mapping[int, Archive]) -> dict[str, Any]:
    """As JSON. Of a port: `levels` that are right for it, `verdict` (a word of `kinds.VERDICTS`), and if it
    keeps anything how many `studies`, `undated` among them, `people` and `images`; `exact` says whether
    a stranger can know how many studies, `dated` whether he can of those with a date. `archive` is the same
    at every port that leads to the same one."""
    return {
        "format": 1,
        "seed": estate.seed,
        "range": estate.range,
        "ports": {role: list(ports) for role, ports in estate.ports.items()},
        "markers": list(markers.WORDS),
        "networks": [asdict(network) for network in estate.networks],
        "summary": _summary(estate, archives),
        "systems": [_system(system, archives) for system in estate.systems],
    }


def _summary(estate: Estate, archives: Mapping[int, Archive]) -> dict[str, Any]:
    opened = [system for system in estate.systems if system.places[0].about.is_open]
    open_archives = {number for system in opened for number in system.places[0].archives}
    return {
        "systems": len(estate.systems),
        "open": len(opened),
        "open_archives": len(open_archives),
        "countries": len({system.country for system in opened}),
        "by_country": dict(Counter(system.country for system in opened).most_common()),
        "by_verdict": dict(Counter(s.places[0].about.verdict for s in estate.systems).most_common()),
        "studies": sum(archives[number].studies for number in open_archives),
        "people": sum(archives[number].people for number in open_archives if archives[number].studies),
        "images": sum(archives[number].images for number in open_archives),
    }


def _system(system: System, archives: Mapping[int, Archive]) -> dict[str, Any]:
    return {
        "address": system.address,
        "country": system.country,
        "kind": system.kind,
        "ports": [_port(place, archives) for place in system.places],
    }


def _port(place: Place, archives: Mapping[int, Archive]) -> dict[str, Any]:
    kind = place.about
    return {
        "port": place.port,
        "service": kind.role,
        "kind": place.kind,
        "levels": list(kind.levels),
        "verdict": kind.verdict,
        "product": kind.product,
        "title": kind.title,
        "tls": kind.tls.value if kind.tls else None,
        "checks": list(kind.checks),
        "doubts": list(kind.doubts),
        "exact": kind.exact,
        "dated": kind.dated,
        **(_kept(place, archives) if place.archives else {"archive": None}),
    }


def _kept(place: Place, archives: Mapping[int, Archive]) -> dict[str, Any]:
    """Of the first back end; `back_ends` has the numbers of studies of all."""
    archive = archives[place.archives[0]]
    return {
        "archive": archive.number,
        "studies": archive.studies,
        "undated": archive.holding.undated,
        "people": archive.people if archive.studies else 0,
        "images": archive.images if not archive.holding.hollow else None,
        "back_ends": [archives[number].studies for number in place.archives],
    }
