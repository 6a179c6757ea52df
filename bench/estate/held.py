"""What a survey says of an estate, held against what is true of it. Nothing may be false either way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from estate.kinds import VERDICTS
from leadglass.scan.doubts import DoubtKind
from leadglass.scan.verdict import Verdict

Json = Mapping[str, Any]

# What a scan has to say of what is true (`kinds.VERDICTS`), which is less finely divided.
SAYS: Final[Mapping[str, frozenset[Verdict]]] = {
    "open": frozenset({Verdict.COUNTED, Verdict.ANSWERS}),
    "honeypot": frozenset({Verdict.COUNTED, Verdict.ANSWERS}),
    "refuses-queries": frozenset({Verdict.WITHHOLDS, Verdict.ECHOES}),
    "accepts-nothing": frozenset({Verdict.TAKES_NOTHING}),
    "rejects-called": frozenset({Verdict.WRONG_TITLE}),
    "rejects-calling": frozenset({Verdict.REFUSES_STRANGERS}),
    "rejects": frozenset({Verdict.REFUSES}),
    "busy": frozenset({Verdict.BUSY}),
    "aborts": frozenset({Verdict.REFUSES}),
    "needs-certificate": frozenset({Verdict.ASKS_CERTIFICATE}),
    "misbehaves": frozenset({Verdict.MISBEHAVES}),
    "not-dicom": frozenset({Verdict.NOT_DICOM, Verdict.WEB}),
    "silent": frozenset({Verdict.MUTE, Verdict.HANGS_UP}),
    "web-open": frozenset({Verdict.COUNTED, Verdict.ANSWERS}),
    "web-protected": frozenset({Verdict.WEB_SHUT}),
    "web-viewer": frozenset({Verdict.WEB}),
    "web-listing": frozenset({Verdict.WEB}),
    "web": frozenset({Verdict.WEB}),
    "web-misbehaves": frozenset({Verdict.MISBEHAVES}),
    "tcp-open": frozenset({Verdict.OPEN}),
    "closed": frozenset({Verdict.CLOSED}),
}
assert VERDICTS.keys() <= SAYS.keys()
_ANSWERED: Final = 3  # the level from which on it has answered, whatever it does besides
_COUNTED: Final = 4
_DOUBTS: Final = {
    "honeypot": DoubtKind.HONEYPOT,
    "empty": DoubtKind.EMPTY,
    "load-balancer": DoubtKind.BALANCER,
}
_NO_ARCHIVE: Final = frozenset({"honeypot"})
# Whoever stalls may be taken for a tarpit.
_STALLS: Final = frozenset({"misbehaves", "web-misbehaves"})


def differences(truth: Json, report: Json) -> list[str]:
    """Sentences for what is not as it should be. `report`: as JSON, of a survey that counted, with every option
    but titles where the estate has systems that they matter to."""
    seen = {(host["address"], port["port"]): port for host in report["hosts"] for port in host["ports"]}
    doubted = _doubted(report)
    found: list[str] = []
    for system in truth["systems"]:
        for place in system["ports"]:
            where = (system["address"], place["port"])
            port = seen.pop(where, None)
            what = ["not seen"] if port is None else list(_of(place, port, doubted.get(where, {})))
            found += [f"{place['kind']} at {where[0]}:{where[1]}: {each}" for each in what]
    found += [f"{address}:{port} is nobody, and seen" for address, port in seen]
    return [*found, *_apart(truth, report), *_duplicates(truth, report)]


def _of(place: Json, port: Json, doubts: Json) -> Iterator[str]:
    verdicts = SAYS[place["verdict"]]
    if place["verdict"] == "misbehaves" and port["level"] >= _ANSWERED:
        verdicts = SAYS["open"]
    if port["verdict"] not in verdicts:
        yield f"{port['verdict']} instead of {place['verdict']}"
    if port["level"] not in place["levels"]:
        yield f"level {port['level']} instead of {place['levels']}"
    checks, expected = {each["check"] for each in port["findings"]}, set(place["checks"])
    if place["verdict"] == "misbehaves" and port["level"] >= _ANSWERED:
        checks, expected = checks - {"D07"}, expected - {"D07"}
    if checks != expected:
        yield f"lacks {sorted(expected - checks)}, has {sorted(checks - expected)}"
    yield from _counts(place, port)
    yield from _doubts(place, doubts)


# --- counts -----------------------------------------------------------------------------------------------


def _counts(place: Json, port: Json) -> Iterator[str]:
    """Within the bound that is stated: exactly, or at least, and then with the reason."""
    count, truly = port["count"], place.get("studies")
    if count is None:
        if port["level"] == _COUNTED:
            yield "counted, and no count"
        return
    if truly is None:
        yield f"{count['studies']} studies where there is no archive"
    elif count["exact"]:
        if count["studies"] != truly or not place["exact"]:
            yield f"exactly {count['studies']} of {truly}, which {'is' if place['exact'] else 'nobody'} known"
    elif count["studies"] > truly or (place["exact"] and not place["verdict"].startswith("web")):
        yield f"at least {count['studies']} of {truly}"


def causes(report: Json) -> dict[tuple[str, int], Json]:
    """What was said of each count over DICOM, by address and port."""
    return {
        (seen["address"], seen["port"]): seen["said"]
        for host in report["hosts"]
        for seen in host["observations"]
        if seen["probe"] == "count"
    }


def unexplained(truth: Json, report: Json) -> list[str]:
    """Counts that are lower bounds without a reason, or that miss studies with a date which can be known."""
    told, found = causes(report), list[str]()
    for system in truth["systems"]:
        for place in system["ports"]:
            said = told.get((system["address"], place["port"]))
            if said is None or said["exact"]:
                continue
            if not said.get("cause"):
                found.append(f"{place['kind']}: at least {said['studies']}, and not why")
            if place["dated"] and said.get("dated") != place["studies"] - place["undated"]:
                found.append(f"{place['kind']}: {said.get('dated')} of {place['studies']} have a date")
    return found


# --- doubts -----------------------------------------------------------------------------------------------


def _doubted(report: Json) -> dict[tuple[str, int], dict[str, str]]:
    """By address and port: kinds of doubts, each with its weight."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for doubt in report["doubts"]:
        for target in doubt["targets"]:
            mine = found.setdefault(_where(target), {})
            if mine.get(doubt["kind"]) in {None, "hint"}:
                mine[doubt["kind"]] = doubt["weight"]
    return found


def _doubts(place: Json, doubts: Json) -> Iterator[str]:
    expected = {_DOUBTS[each] for each in place["doubts"]}
    if missing := expected - doubts.keys():
        yield f"nobody doubts that it is {sorted(missing)}"
    if place["verdict"] in _STALLS:
        expected.add(DoubtKind.TARPIT)
    strong = {kind for kind, weight in doubts.items() if weight != "hint"} - {DoubtKind.DUPLICATE}
    if wrong := strong - expected:
        yield f"taken for {sorted(wrong)}"


def _apart(truth: Json, report: Json) -> Iterator[str]:
    """Who is likely no archive does not count, and everybody else does."""
    for system in truth["systems"]:
        verdicts = {place["verdict"] for place in system["ports"]}
        host = next((each for each in report["hosts"] if each["address"] == system["address"]), None)
        if (
            host is not None
            and verdicts.isdisjoint(_STALLS)
            and host["counts"] != (not verdicts <= _NO_ARCHIVE)
        ):
            yield f"{system['kind']}: {'counts' if host['counts'] else 'is left out'}"


def _duplicates(truth: Json, report: Json) -> Iterator[str]:
    """Doors to one archive are told from doors to archives that hold as much."""
    archives = {
        (system["address"], place["port"]): place["archive"]
        for system in truth["systems"]
        for place in system["ports"]
        if place["archive"] is not None
    }
    for doubt in report["doubts"]:
        if doubt["kind"] == DoubtKind.DUPLICATE and doubt["weight"] != "hint":
            doors = [_where(target) for target in doubt["targets"]]
            if len({archives.get(door) for door in doors}) > 1:
                yield f"{doubt['reason']}: {' and '.join(doubt['targets'])} are two archives"


def missed(truth: Json, report: Json) -> int:
    """Further doors to archives that nobody has found to be doors to the same."""
    doors: dict[int, set[tuple[str, int]]] = {}
    for system in truth["systems"]:
        for place in system["ports"]:
            if place["archive"] is not None and place["exact"] and place["verdict"] == "open":
                doors.setdefault(place["archive"], set()).add((system["address"], place["port"]))
    seen = causes(report)
    expected = sum(len(each & seen.keys()) - 1 for each in doors.values() if len(each & seen.keys()) > 1)
    dicom = {door for each in doors.values() for door in each}
    told = [d for d in report["doubts"] if d["kind"] == DoubtKind.DUPLICATE and d["weight"] != "hint"]
    return expected - sum({_where(target) for target in each["targets"]} <= dicom for each in told)


def _where(target: str) -> tuple[str, int]:
    address, _, port = target.rpartition(":")
    return address, int(port)
