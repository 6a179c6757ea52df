"""A verified fix: the same probes of the same port from the same place, before and after, in a signed file
that anybody can check without us.

    {"closure": {"format": 1, "address": …, "port": …, "vantage": …, "scope": …, "method": …,
                 "before": {"verdict", "level", "grade", "observations": […]}, "after": {…}},
     "note": "leadglass closure 1\\nsha256 …\\n…\\n\\n— name base64\\n"}

The note (C2SP signed-note) signs the SHA-256 of `closure` as canonical JSON: sorted keys, no spaces, ASCII.
What verdict and grade say is not believed: it is concluded again from the observations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from leadglass.errors import LimitExceeded, Tampered, Violation
from leadglass.note import Note, Signer, VerifierKey
from leadglass.scan.addresses import is_private
from leadglass.scan.doors import doors
from leadglass.scan.findings import findings
from leadglass.scan.followup import LEAST
from leadglass.scan.grade import Grade, grade
from leadglass.scan.observation import METHOD, Level, Observation
from leadglass.scan.scope_text import with_port
from leadglass.scan.verdict import INCONCLUSIVE, Verdict, verdicts

LARGEST: Final = 4 << 20  # bytes of a file that is checked
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class State:
    """What a port was like at one time. `at`: ms since the epoch, UTC, of the first observation; `pressing`:
    checks with a finding that is followed up."""

    at: int
    verdict: Verdict
    level: Level
    grade: Grade | None
    observations: tuple[Observation, ...]
    pressing: frozenset[str]

    @property
    def is_conclusive(self) -> bool:
        return self.verdict not in INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Closure:
    """`scope`: SHA-256 of the scope of the second look."""

    address: str
    port: int
    vantage: str
    scope: str
    method: int
    before: State
    after: State

    @property
    def is_closed(self) -> bool:
        """A stranger got further before, and gets nowhere now; where he got nowhere, nothing of what was
        found is there any more. Somebody who was busy or hung up has shown neither."""
        before, after = self.before, self.after
        gone = bool(before.pressing) and not before.pressing & after.pressing
        shut = after.level is Level.CLOSED and (before.level > Level.CLOSED or gone)
        return shut and after.is_conclusive


def state(observations: Sequence[Observation]) -> State:
    """What a port's observations come to. Violation when they are not of one port."""
    if len(doors(observations)) != 1:
        raise Violation("These are not the observations of one port.", code="closure")
    (host,) = verdicts(observations)
    found = findings(observations, is_private=is_private(host.address))
    pressing = frozenset(each.check for each in found if each.severity >= LEAST)
    graded = grade(host, found).grade
    return State(observations[0].at, host.verdict, host.level, graded, tuple(observations), pressing)


def closure(before: Sequence[Observation], after: Sequence[Observation], vantage: str, scope: str) -> Closure:
    """Violation when the two are not of the same port, or not in this order."""
    first, second = state(before), state(after)
    where = {(each.address, each.port) for each in (*before, *after)}
    if len(where) != 1 or second.at <= first.observations[-1].at:
        raise Violation("A fix is shown by the same port, later.", code="closure")
    (address, port) = where.pop()
    return Closure(address, port, vantage, scope, METHOD, first, second)


def encode(made: Closure, signer: Signer) -> str:
    """The signed file."""
    body = _body(made)
    text = "\n".join(
        (
            "leadglass closure 1",
            f"sha256 {_digest(body)}",
            f"port {with_port(made.address, made.port)}",
            f"before {_told(made.before)}",
            f"after {_told(made.after)}",
            "",
        )
    )
    return json.dumps({"closure": body, "note": signer.sign(text).encode()}, indent=1) + "\n"


def verify(content: bytes, key: VerifierKey) -> Closure:
    """The closure in a file that was signed with that key. Tampered when it was not, or says more than its
    observations do; Violation when it is no such file."""
    if len(content) > LARGEST:
        raise LimitExceeded("The file is larger than a proof of closure is.", code="closure-size")
    try:
        document = json.loads(content)
        body, note = document["closure"], Note.decode(str(document["note"]).encode())
        made = _decoded(body)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Violation("That is no proof of closure.", code="closure") from None
    key.verify(note)
    lines = note.text.split("\n")
    if lines[:2] != ["leadglass closure 1", f"sha256 {_digest(body)}"] or body != _body(made):
        raise Tampered("What is in the proof is not what was signed.", code="closure")
    return made


def _body(made: Closure) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "address": made.address,
        "port": made.port,
        "vantage": made.vantage,
        "scope": made.scope,
        "method": made.method,
        "before": _state_json(made.before),
        "after": _state_json(made.after),
    }


def _state_json(of: State) -> dict[str, Any]:
    return {
        "verdict": of.verdict.value,
        "level": int(of.level),
        "grade": of.grade.value if of.grade else None,
        "observations": json.loads(json.dumps([each.to_json() for each in of.observations])),
    }


def _decoded(body: Any) -> Closure:
    """Concluded anew: `verify` compares with what is written."""
    before, after = (
        [Observation.from_json(each) for each in body[when]["observations"]] for when in ("before", "after")
    )
    if body["format"] != _FORMAT or body["method"] != METHOD:
        raise Violation("This proof was made by another method, or in another form.", code="closure-method")
    return closure(before, after, str(body["vantage"]), str(body["scope"]))


def _digest(body: Any) -> str:
    return sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _told(of: State) -> str:
    at = datetime.fromtimestamp(of.at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{at} {of.grade.value if of.grade else '-'} {of.verdict.value}"
