"""W01 to W10, N01 and N02: what a web server shows a stranger, and what else can be reached.

401 and 403 are closed doors, whatever else they tell; a page that comes for any path proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from leadglass.scan.checks import Severity
from leadglass.scan.doors import Door, Seen
from leadglass.scan.observation import Outcome, Value
from leadglass.scan.rules import Circumstances, Found, Rule, found
from leadglass.scan.words import STATISTICS, About, Marker

OK: Final = 200
NO_CONTENT: Final = 204
_NOT_FOUND: Final = 404
_OPEN: Final = ("W01", "W03")  # what makes a viewer or a foreign page at the same port dangerous
_VIEWERS: Final = frozenset(
    {
        Marker.MEDDREAM,
        Marker.OVIYAM,
        Marker.WEASIS,
        Marker.CONQUEST,
        Marker.DICOOGLE,
        Marker.CLEARCANVAS,
    }
)
HL7_PORTS: Final = frozenset({2575, 6661})
DATABASE_PORTS: Final[Mapping[int, str]] = {
    5432: "PostgreSQL",
    3306: "MySQL or MariaDB",
    1433: "SQL Server",
    27017: "MongoDB",
    389: "LDAP",
}


def _path(seen: Seen) -> str:
    return str(seen.sent("path") or "")


def lists(seen: Seen) -> bool:
    """A list of studies, empty or not, and not a page: its members were counted."""
    status = seen.said("status")
    return status == NO_CONTENT or (
        status == OK and "json" in seen.text("type") and "count" in seen.what.said
    )


def listed(door: Door) -> tuple[Seen, ...]:
    """A QIDO-RS search that was answered, and the control path that was not: () unless both were seen."""
    answer = next(filter(lists, door.http(About.QIDO)), None)
    controls = door.http(About.CONTROL)
    if answer is None or not controls or any(s.said("status") != _NOT_FOUND for s in controls):
        return ()
    return answer, controls[0]


def qido_open(door: Door, _: Circumstances) -> Found | None:
    proof = listed(door)
    if not proof:
        return None
    return found(proof, path=_path(proof[0]), key_ignored=proof[0].number("count") > 0)


def told_counts(door: Door) -> tuple[Seen, ...]:
    """How many studies a resource says that there are."""
    return tuple(s for s in door.http(About.QIDO_COUNT) if s.said("status") == OK and "count" in s.what.said)


def qido_counted(door: Door, _: Circumstances) -> Found | None:
    best = max(told_counts(door), key=lambda s: s.number("count"), default=None)
    if best is None or not best.number("count"):
        return None
    return found([best], studies=best.number("count"))


def orthanc(door: Door) -> Seen | None:
    """Its REST API described itself to a stranger."""
    return next(
        (
            s
            for s in door.http(About.ORTHANC_SYSTEM)
            if s.said("status") == OK and s.text("marker") == Marker.ORTHANC
        ),
        None,
    )


def statistics(door: Door) -> tuple[Seen, Mapping[str, int]] | None:
    """Orthanc's own counts: patients, studies, series, instances."""
    for seen in door.http(About.ORTHANC_STATISTICS):
        counts = seen.said("counts")
        if seen.said("status") == OK and isinstance(counts, tuple) and len(counts) == len(STATISTICS):
            return seen, dict(zip(STATISTICS, map(int, counts), strict=True))
    return None


def orthanc_rest(door: Door, _: Circumstances) -> Found | None:
    system = orthanc(door)
    if system is None:
        return None
    counts = statistics(door)
    facts: dict[str, Value] = dict(counts[1]) if counts else {}
    return found([system, *([counts[0]] if counts else [])], **facts)


def default_credentials(door: Door, _: Circumstances) -> Found | None:
    entered = [s for s in door.http(About.CREDENTIALS) if s.said("status") == OK]
    return found(entered[:1], path=_path(entered[0])) if entered else None


def stow_offered(door: Door, _: Circumstances) -> Found | None:
    for seen in door.http(About.STOW):
        methods = seen.said("methods")
        if isinstance(methods, tuple) and "post" in methods and seen.number("status") < 400:
            return found([seen], path=_path(seen))
    return None


def _page(door: Door, now: Circumstances, markers: frozenset[Marker]) -> Found | None:
    """Alone a page says which product it is; where its archive answers everybody it shows the images too."""
    pages = [s for s in door.http() if s.said("status") == OK and door.marker(s) in markers]
    open_too = any(check in now.held for check in _OPEN)
    names = tuple(dict.fromkeys(s.text("marker") for s in pages))
    return found(pages[:1], None if open_too else Severity.LOW, programs=names, open=open_too)


def dcm4chee_ui(door: Door, now: Circumstances) -> Found | None:
    return _page(door, now, frozenset({Marker.DCM4CHEE}))


def ohif_config(door: Door, now: Circumstances) -> Found | None:
    return _page(door, now, frozenset({Marker.OHIF}))


def viewer(door: Door, now: Circumstances) -> Found | None:
    return _page(door, now, _VIEWERS)


def directory_listing(door: Door, _: Circumstances) -> Found | None:
    best = max(door.http(About.LISTING), key=lambda s: s.number("links"), default=None)
    if best is None or best.said("status") != OK or not best.number("links"):
        return None
    return found([best], links=best.number("links"), path=_path(best))


def cors(door: Door, now: Circumstances) -> Found | None:
    open_too = any(check in now.held for check in _OPEN)
    for seen in door.http():
        origin = seen.text("allow_origin")
        if origin in ("any", "reflected") and (open_too or seen.said("allow_credentials") is True):
            return found([seen], origin=origin, open=open_too)
    return None


def _reachable(door: Door) -> Iterator[Seen]:
    return (s for s in door.of("tcp", "tls") if s.outcome in (Outcome.OPEN, Outcome.SECURED))


def hl7(door: Door, _: Circumstances) -> Found | None:
    return found(list(_reachable(door))[:1]) if door.port in HL7_PORTS else None


def database(door: Door, _: Circumstances) -> Found | None:
    if door.port not in DATABASE_PORTS:
        return None
    return found(list(_reachable(door))[:1], usually=DATABASE_PORTS[door.port])


WEB_RULES: Final[Mapping[str, Rule]] = {
    "W01": qido_open,
    "W02": qido_counted,
    "W03": orthanc_rest,
    "W04": default_credentials,
    "W05": stow_offered,
    "W06": dcm4chee_ui,
    "W07": ohif_config,
    "W08": viewer,
    "W09": directory_listing,
    "W10": cors,
    "N01": hl7,
    "N02": database,
}
