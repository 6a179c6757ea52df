"""Doubts about one port, and about one address whatever is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from leadglass.dimse import sop_classes
from leadglass.scan.doors import Door, Seen
from leadglass.scan.doubts import Doubt, DoubtKind, Reason, Target, Weight
from leadglass.scan.fingerprint import Provenance
from leadglass.scan.observation import Outcome, Value
from leadglass.scan.rules import ASSOCIATIONS, ignores_the_key, let_in, programs
from leadglass.scan.rules_web import statistics, told_counts
from leadglass.scan.verdict import Verdict, port_verdict
from leadglass.scan.words import STATISTICS, Fault

MOST_STUDIES: Final = 100_000_000  # more than any archive is known to hold
_LEAST_WINDOWS: Final = 3  # windows of dates with one and the same count, until that is no chance
# Microseconds. Below the first a round trip tells nothing; from the second on a packet was lost on the way.
_ROUND_TRIP: Final = (3_000, 900_000)
MANY_PORTS: Final = 8  # of an address, that all accept
_MUTE_PORTS: Final = 4
_NOBODY: Final = frozenset({Outcome.REFUSED, Outcome.SILENT, Outcome.UNREACHABLE, Outcome.UNTRIED})
# An archive is no printer and no scheduler; a workstation that is all of it is none either.
_EVERYTHING: Final = frozenset(
    {
        sop_classes.STUDY_ROOT_FIND,
        sop_classes.STUDY_ROOT_MOVE,
        sop_classes.STORAGE_COMMITMENT_PUSH,
        "1.2.840.10008.5.1.4.31",  # worklist
        "1.2.840.10008.3.1.2.3.3",  # Modality Performed Procedure Step
        "1.2.840.10008.5.1.1.9",  # print
    }
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a honeypot's own source says that it answers. `maximum_length` 0: whatever."""

    program: str
    implementation_class_uid: str
    implementation_version_name: str
    weight: Weight
    provenance: Provenance
    source: str
    maximum_length: int = 0


_LIKELY: Final = Weight.LIKELY
_PERSONAS: Final = "honeynet/DICOMHawk, dicom_server/core/vendor_personas.py"
SIGNATURES: Final = (
    Signature("DICOMHawk", "1.2.840.113619.6.96", "GE_PACS_REV_24", _LIKELY, Provenance.CODE, _PERSONAS),
    Signature("DICOMHawk", "1.3.12.2.1107.5.2", "syngo CT VA48A", _LIKELY, Provenance.CODE, _PERSONAS),
    Signature("DICOMHawk", "1.3.46.670589.11", "PHILIPS_MR_56.1", _LIKELY, Provenance.CODE, _PERSONAS),
    # A real OsiriX might answer the same.
    Signature(
        "DICOMHawk", "1.2.276.0.7230010.3.0.3.6.1", "OSIRIX001", Weight.HINT, Provenance.CODE,
        "honeynet/DICOMHawk, src/dicomhawk/profiles/osirix.py",
    ),
    # It answers without the Implementation Class UID that PS3.7 D.3.3.2 requires; go-netdicom does too.
    Signature(
        "dicompot", "", "", Weight.HINT, Provenance.CODE,
        "nsmfoo/dicompot, contextmanager.go and serviceprovider.go", maximum_length=4 << 20,
    ),
)  # fmt: skip

_Test: TypeAlias = Callable[[Door], Iterator[Doubt]]


def about_port(door: Door) -> Iterator[Doubt]:
    for test in _TESTS:
        yield from test(door)


def about_address(mine: Sequence[Door]) -> Iterator[Doubt]:
    """An address where every port that was tried accepts is a tarpit, a honeypot, or a firewall that answers
    for whoever is behind it."""
    answering = [door for door in mine if not all(s.outcome in _NOBODY for s in door.seen)]
    mute = [door for door in answering if port_verdict(door).verdict in (Verdict.MUTE, Verdict.OPEN)]
    targets = tuple(Target(door.address, door.port) for door in answering)
    evidence = tuple(door.seen[0].index for door in answering)
    if len(answering) == len(mine) >= MANY_PORTS:
        let = any(let_in(s) for door in answering for s in door.of(*ASSOCIATIONS))
        kind = DoubtKind.HONEYPOT if let else DoubtKind.TARPIT
        yield Doubt(kind, Reason.EVERY_PORT, Weight.LIKELY, targets, evidence, {"ports": len(targets)})
    elif len(answering) == len(mute) >= _MUTE_PORTS:
        yield Doubt(
            DoubtKind.TARPIT, Reason.STALLS, Weight.LIKELY, targets, evidence, {"ports": len(targets)}
        )


def _doubt(
    door: Door, kind: DoubtKind, reason: Reason, weight: Weight, seen: Sequence[Seen], /, **facts: Value
) -> Doubt:
    evidence = tuple(dict.fromkeys(each.index for each in seen))
    return Doubt(kind, reason, weight, (Target(door.address, door.port),), evidence, facts)


def _accepts_anything(door: Door) -> Iterator[Doubt]:
    """No more than a hint: Orthanc and storescp have a mode in which they take any class for storage."""
    seen = door.first(lambda s: s.said("accepts_unknown") is True, *ASSOCIATIONS)
    if seen:
        yield _doubt(door, DoubtKind.HONEYPOT, Reason.ACCEPTS_ANYTHING, Weight.HINT, [seen])


def _signature(door: Door) -> Iterator[Doubt]:
    for seen in filter(let_in, door.of(*ASSOCIATIONS)):
        told = seen.text("implementation_class_uid"), seen.text("implementation_version_name")
        for mark in SIGNATURES:
            length = mark.maximum_length in (0, seen.number("maximum_length"))
            if told == (mark.implementation_class_uid, mark.implementation_version_name) and length:
                facts: dict[str, Value] = {"program": mark.program, "source": mark.source}
                yield _doubt(door, DoubtKind.HONEYPOT, Reason.SIGNATURE, mark.weight, [seen], **facts)
                return


def _any_key(door: Door) -> Iterator[Doubt]:
    """Servers that ignore the date are common; who ignores every key answers whatever is asked. Poor archives
    do so too."""
    asked = door.of("find-none")
    if len({s.sent("keys") for s in asked}) > 1 and all(map(ignores_the_key, asked)):
        yield _doubt(door, DoubtKind.HONEYPOT, Reason.ANY_KEY, Weight.HINT, asked)


def _any_date(door: Door) -> Iterator[Doubt]:
    for seen in door.of("count"):
        windows = seen.said("windows")
        if (
            isinstance(windows, tuple)
            and len(windows) >= _LEAST_WINDOWS
            and len(set(windows)) == 1
            and windows[0]
        ):
            matches = int(windows[0])
            yield _doubt(door, DoubtKind.HONEYPOT, Reason.ANY_DATE, Weight.HINT, [seen], matches=matches)
            return


def _too_fast(door: Door) -> Iterator[Doubt]:
    """An answer in less than a third of the time that a connection takes did not come from as far away. One
    connection may have been held up, by us too. Inside TLS its time is that of several round trips."""
    plain = [s for s in door.seen if s.said("tls") is not True]
    connects = [s for s in plain if 0 < s.number("connect_us") < _ROUND_TRIP[1]]
    answered = [s for s in plain if s.number("answer_us") > 0]
    if len(connects) < 2 or not answered:
        return
    connect = min(connects, key=lambda s: s.number("connect_us"))
    answer = min(answered, key=lambda s: s.number("answer_us"))
    took = connect.number("connect_us")
    if took >= _ROUND_TRIP[0] and answer.number("answer_us") * 3 < took:
        facts: dict[str, Value] = {
            "connect_us": took,
            "answer_us": answer.number("answer_us"),
        }
        yield _doubt(door, DoubtKind.HONEYPOT, Reason.TOO_FAST, Weight.HINT, [connect, answer], **facts)


def _all_services(door: Door) -> Iterator[Doubt]:
    seen = door.first(lambda s: let_in(s) and s.uids() >= _EVERYTHING, "offers")
    if seen:
        yield _doubt(door, DoubtKind.HONEYPOT, Reason.ALL_SERVICES, Weight.HINT, [seen])


def _stalls(door: Door) -> Iterator[Doubt]:
    for seen in door.seen:
        if seen.outcome in (Outcome.MUTE, Outcome.MISBEHAVES) and seen.said("fault") in tuple(Fault):
            weight = Weight.HINT if seen.said("fault") == Fault.TLS_STALL else Weight.LIKELY
            yield _doubt(door, DoubtKind.TARPIT, Reason.STALLS, weight, [seen], ports=1)
            return


def _implausible(door: Door) -> Iterator[Doubt]:
    for seen in (*door.of("count"), *told_counts(door)):
        studies = seen.number("studies") or seen.number("count")
        if studies > MOST_STUDIES:
            yield _doubt(door, DoubtKind.IMPLAUSIBLE, Reason.TOO_MANY, Weight.LIKELY, [seen], studies=studies)
        for more, less in _contradictions(seen):
            kind, reason = DoubtKind.IMPLAUSIBLE, Reason.CONTRADICTION
            yield _doubt(door, kind, reason, Weight.LIKELY, [seen], more=more, less=less)
    told = statistics(door)
    if told:
        yield from _contradicting_statistics(door, *told)


def _contradictions(seen: Seen) -> Iterator[tuple[str, str]]:
    """Of what must not be more there is more. A count of images of 0 is a server that does not tell."""
    studies, images = seen.number("studies"), seen.number("images")
    if seen.said("exact") is True and seen.number("people") > studies:
        yield "people", "studies"
    if seen.said("exact") is True and seen.number("undated") > studies:
        yield "undated", "studies"
    if 0 < images < studies:
        yield "studies", "images"


def _contradicting_statistics(door: Door, seen: Seen, figures: Mapping[str, int]) -> Iterator[Doubt]:
    for less, more in pairwise(STATISTICS):
        if figures[less] > figures[more]:
            kind, reason = DoubtKind.IMPLAUSIBLE, Reason.CONTRADICTION
            yield _doubt(door, kind, reason, Weight.LIKELY, [seen], more=less, less=more)
            return


def _empty(door: Door) -> Iterator[Doubt]:
    """Answered in full, with nothing: it exposes nothing today."""
    told = statistics(door)
    empty = [s for s in door.of("count") if s.outcome is Outcome.ANSWERED and s.said("studies") == 0]
    empty += [s for s in told_counts(door) if s.said("count") == 0]
    if told and not any(told[1].values()):
        empty.append(told[0])
    if empty and not any(s.number("studies") for s in door.of("count")):
        yield _doubt(door, DoubtKind.EMPTY, Reason.NO_STUDIES, Weight.CERTAIN, empty)


def _changing_program(door: Door) -> Iterator[Doubt]:
    told = programs(door)
    if len(told) > 1:
        kind, reason = DoubtKind.BALANCER, Reason.CHANGING_PROGRAM
        yield _doubt(door, kind, reason, Weight.LIKELY, told, programs=len(told))


def _changing_certificate(door: Door) -> Iterator[Doubt]:
    """Of one kind of key: a server may well hold one certificate for each kind."""
    told: dict[str, dict[str, Seen]] = {}
    for seen in door.of("tls"):
        if seen.outcome is Outcome.SECURED and seen.text("certificate"):
            told.setdefault(seen.text("key_type"), {}).setdefault(seen.text("certificate"), seen)
    for by_certificate in told.values():
        if len(by_certificate) > 1:
            seen_each = list(by_certificate.values())
            yield _doubt(door, DoubtKind.BALANCER, Reason.CHANGING_CERTIFICATE, Weight.LIKELY, seen_each)
            return


_TESTS: Final[tuple[_Test, ...]] = (
    _accepts_anything,
    _signature,
    _any_key,
    _any_date,
    _too_fast,
    _all_services,
    _stalls,
    _implausible,
    _empty,
    _changing_program,
    _changing_certificate,
)
