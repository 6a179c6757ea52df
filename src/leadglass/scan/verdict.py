"""Exposure level and verdict of a port and of a host: how far a stranger got, and what stopped him.

One table, the worst first; the first row that holds is the verdict, and what made it hold decides it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from leadglass.dimse.status import SUCCESS
from leadglass.scan.doors import Door, Seen, doors, hosts
from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.rules import (
    ASSOCIATIONS,
    CALLED_UNKNOWN,
    CALLING_UNKNOWN,
    answers,
    is_busy,
    let_in,
    reason,
    withholds,
)
from leadglass.scan.rules_web import listed, orthanc, statistics, told_counts


class Verdict(StrEnum):
    COUNTED = "counted"  # answers strangers, and what it holds was counted
    ANSWERS = "answers"  # answers strangers' queries
    WITHHOLDS = "withholds"  # lets strangers in and answers no query of theirs
    ECHOES = "echoes"
    ASSOCIATES = "associates"
    TAKES_NOTHING = "takes-nothing"  # associates, and accepts no context
    REFUSES_STRANGERS = "refuses-strangers"  # calling AE title not recognised
    ASKS_CERTIFICATE = "asks-certificate"  # TLS that asks for one of ours
    WRONG_TITLE = "wrong-title"  # called AE title not recognised
    REFUSES = "refuses"  # rejects or aborts, for another reason or none
    BUSY = "busy"  # not now
    WEB_SHUT = "web-shut"  # asks who one is
    WEB = "web"  # a web server that shows no archive
    MISBEHAVES = "misbehaves"
    NOT_DICOM = "not-dicom"
    HANGS_UP = "hangs-up"  # closes, or ends the TLS handshake, without saying why
    MUTE = "mute"
    OPEN = "open"  # it listens; nothing more was asked or learnt
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"  # nothing could be tried
    SILENT = "silent"
    CLOSED = "closed"


# Nobody is there, as far as can be seen.
NOBODY: Final = frozenset({Verdict.CLOSED, Verdict.SILENT, Verdict.UNREACHABLE})

# Who answers like this has shown neither that he is open nor that he is closed: ask again. Where there is no
# way, that may be this machine's own network.
INCONCLUSIVE: Final = frozenset(
    {
        Verdict.BUSY, Verdict.MUTE, Verdict.HANGS_UP, Verdict.MISBEHAVES, Verdict.UNREACHABLE,
        Verdict.UNKNOWN,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PortVerdict:
    """`decided_by`: index of the observation that made it so."""

    address: str
    port: int
    verdict: Verdict
    level: Level
    decided_by: int


@dataclass(frozen=True, slots=True)
class HostVerdict:
    """That of the host's worst port; `ports`: of each."""

    address: str
    verdict: Verdict
    level: Level
    port: int
    decided_by: int
    ports: tuple[PortVerdict, ...]


_Test: TypeAlias = Callable[[Door], Seen | None]
_CERTIFICATE_ALERTS: Final = frozenset(
    {"certificate-required", "bad-certificate", "no-certificate", "certificate-unknown"}
)
_NO_HANDSHAKE: Final = (Outcome.ALERTED, Outcome.CLOSED)
_SHUT: Final = (401, 403)


def _counted(door: Door) -> Seen | None:
    found = [s for s in door.of("count") if s.number("studies")]
    found += [s for s in told_counts(door) if s.number("count")]
    told = statistics(door) if orthanc(door) else None
    if told and told[1]["studies"]:
        found.append(told[0])
    return max(found, key=lambda s: s.number("studies") or s.number("count"), default=None)


def _answers(door: Door) -> Seen | None:
    """An archive that counted as empty has answered too."""
    queried = (s for s in door.of("find-none", "worklist-none") if answers(s))
    return next(iter((*queried, *_counted_empty(door), *listed(door)[:1])), None) or orthanc(door)


def _counted_empty(door: Door) -> Iterable[Seen]:
    return (s for s in door.of("count") if s.outcome is Outcome.ANSWERED and s.said("studies") == 0)


def _echoes(door: Door) -> Seen | None:
    return door.first(lambda s: s.outcome is Outcome.ANSWERED and s.said("status") == SUCCESS, "echo")


def _echoes_and_withholds(door: Door) -> Seen | None:
    return withholds(door) if _echoes(door) else None


def _enters(door: Door) -> Seen | None:
    return door.first(let_in, *ASSOCIATIONS)


def _enters_and_withholds(door: Door) -> Seen | None:
    return withholds(door) if _enters(door) else None


def _rejected(fits: Callable[[Seen], bool]) -> _Test:
    return lambda door: door.first(lambda s: s.outcome is Outcome.REJECTED and fits(s), *ASSOCIATIONS)


def _asks_certificate(door: Door) -> Seen | None:
    """TLS 1.3 says so after the handshake; servers of 1.2 say handshake-failure, which in a bare handshake
    may be about anything, or just close, unless they were seen to ask."""
    return (
        _alerted(_CERTIFICATE_ALERTS | {"handshake-failure"}, *ASSOCIATIONS)(door)
        or _alerted(_CERTIFICATE_ALERTS, "tls")(door)
        or door.first(lambda s: s.outcome in _NO_HANDSHAKE and s.said("asks_certificate") is True, "tls")
    )


def _alerted(alerts: frozenset[str], *probes: str) -> _Test:
    return lambda door: door.first(
        lambda s: s.outcome is Outcome.ALERTED and s.text("alert") in alerts, *probes
    )


def _refuses(door: Door) -> Seen | None:
    return _rejected(lambda s: not is_busy(s))(door) or door.first(
        lambda s: s.outcome is Outcome.ABORTED, *ASSOCIATIONS
    )


def _web(*statuses: int) -> _Test:
    """An answer that ends, and in a way that was asked for."""
    return lambda door: next(
        (
            s
            for s in door.http()
            if "fault" not in s.what.said and (not statuses or s.said("status") in statuses)
        ),
        None,
    )


def _misbehaves(door: Door) -> Seen | None:
    """Half a handshake and then nothing is as bad as one that breaks the rules."""
    return _outcome(Outcome.MISBEHAVES)(door) or next(
        (s for s in door.seen if s.outcome in (Outcome.MUTE, Outcome.RESPONDED) and "fault" in s.what.said),
        None,
    )


def _enters_and_misbehaves(door: Door) -> Seen | None:
    """It takes the call, and whoever goes on gets what nobody can make anything of."""
    return _outcome(Outcome.MISBEHAVES)(door) if _enters(door) else None


def _outcome(*outcomes: Outcome, probes: tuple[str, ...] = ()) -> _Test:
    return lambda door: next(
        (s for s in door.seen if s.outcome in outcomes and (not probes or s.what.probe in probes)), None
    )


_TABLE: Final[tuple[tuple[Verdict, Level, _Test], ...]] = (
    (Verdict.COUNTED, Level.COUNTED, _counted),
    (Verdict.ANSWERS, Level.ANSWERS, _answers),
    (Verdict.WITHHOLDS, Level.ECHOES, _echoes_and_withholds),
    (Verdict.ECHOES, Level.ECHOES, _echoes),
    (Verdict.WITHHOLDS, Level.ASSOCIATES, _enters_and_withholds),
    (Verdict.MISBEHAVES, Level.ASSOCIATES, _enters_and_misbehaves),
    (Verdict.ASSOCIATES, Level.ASSOCIATES, _enters),
    (Verdict.TAKES_NOTHING, Level.CLOSED, _outcome(Outcome.EMPTY)),
    (Verdict.REFUSES_STRANGERS, Level.CLOSED, _rejected(lambda s: reason(s) == CALLING_UNKNOWN)),
    (Verdict.ASKS_CERTIFICATE, Level.CLOSED, _asks_certificate),
    (Verdict.WRONG_TITLE, Level.CLOSED, _rejected(lambda s: reason(s) == CALLED_UNKNOWN)),
    (Verdict.REFUSES, Level.CLOSED, _refuses),
    (Verdict.BUSY, Level.CLOSED, _rejected(is_busy)),
    (Verdict.WEB_SHUT, Level.CLOSED, _web(*_SHUT)),
    (Verdict.WEB, Level.CLOSED, _web()),
    (Verdict.MISBEHAVES, Level.CLOSED, _misbehaves),
    (Verdict.NOT_DICOM, Level.CLOSED, _outcome(Outcome.FOREIGN)),
    (Verdict.HANGS_UP, Level.CLOSED, _outcome(Outcome.CLOSED, Outcome.ALERTED, probes=ASSOCIATIONS)),
    (Verdict.MUTE, Level.CLOSED, _outcome(Outcome.MUTE)),
    (Verdict.OPEN, Level.CLOSED, _outcome(Outcome.OPEN, Outcome.SECURED, Outcome.ALERTED)),
    (Verdict.HANGS_UP, Level.CLOSED, _outcome(Outcome.CLOSED)),
    (Verdict.UNREACHABLE, Level.CLOSED, _outcome(Outcome.UNREACHABLE)),
    (Verdict.SILENT, Level.CLOSED, _outcome(Outcome.SILENT)),
    (Verdict.CLOSED, Level.CLOSED, _outcome(Outcome.REFUSED)),
    (Verdict.UNKNOWN, Level.CLOSED, lambda door: door.seen[0]),
)


def port_verdict(door: Door) -> PortVerdict:
    for verdict, level, test in _TABLE:
        seen = test(door)
        if seen is not None:
            return PortVerdict(door.address, door.port, verdict, level, seen.index)
    raise AssertionError("The last row of the table always holds.")


def verdicts(observations: Sequence[Observation]) -> tuple[HostVerdict, ...]:
    """Of every host that was observed, in the order of addresses."""
    return tuple(host_verdict(address, mine) for address, mine in hosts(doors(observations)))


def host_verdict(address: str, mine: Iterable[Door]) -> HostVerdict:
    ports = tuple(map(port_verdict, mine))
    worst = min(ports, key=lambda each: (-each.level, _RANK[each.verdict], each.port))
    return HostVerdict(address, worst.verdict, worst.level, worst.port, worst.decided_by, ports)


_RANK: Final = {verdict: rank for rank, verdict in enumerate(Verdict)}
