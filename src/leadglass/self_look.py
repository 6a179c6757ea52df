"""The server looks at its own listeners as a stranger: at start, and daily.

    listeners ─▶ the scan's probes ─▶ judge ─▶ archive.listeners
                 as anybody would     pure      durable: what answers shows nobody a patient from now on

A stranger is one who knows our AE title and our name on the web, and nothing else. He goes as far as asking
for a study that cannot exist, and counts nothing. What cannot be judged is no alarm, and mends nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from leadglass.archive.listeners import Listeners, Look, Met
from leadglass.errors import LeadglassError
from leadglass.scan.checks import Severity
from leadglass.scan.findings import Finding, findings
from leadglass.scan.manner import Manner, Option, Patience
from leadglass.scan.observation import Level, Observation
from leadglass.scan.probe_dimse import LADDER, probe_dimse
from leadglass.scan.probe_tls import permissive
from leadglass.scan.probe_web import probe_web
from leadglass.scan.titles import OWN
from leadglass.scan.verdict import HostVerdict, Verdict, verdicts

DAILY: Final = 24 * 3600.0  # seconds
SOON: Final = 600.0  # while something is wrong, so that what was mended opens again
PATIENCE: Final = Patience(connect=1, answer=5, host=20, parting=1)
HTTP: Final = "http"

# What a stranger is told at a DICOM listener that is as it should be. Without a certificate he hears nothing:
# the event loop closes without the alert that TLS has for it.
_REFUSALS: Final[Mapping[str, frozenset[Verdict]]] = {
    "receive": frozenset({Verdict.REFUSES_STRANGERS}),
    "dimse": frozenset({Verdict.HANGS_UP, Verdict.ASKS_CERTIFICATE, Verdict.REFUSES_STRANGERS}),
}
# The same on the web: a search as a program makes it, and the page with the list of studies.
_TURNED_AWAY: Final[Mapping[str, int]] = {"/dicom-web/studies": 401, "/studies": 303}
# Neither the survey's own title, which nobody here knows, nor anything that counts.
_PROBES: Final = LADDER - {OWN, "count", "identifiers"}


@dataclass(frozen=True, slots=True)
class Subject:
    """A listener of ours: its name in the archive, where its socket stands, and whether it speaks TLS.
    `host`: of the web, the HOST:PORT that people type."""

    listener: str
    address: str
    port: int
    tls: bool
    host: str = ""

    @property
    def asked(self) -> str:
        """The address that is dialled: what stands everywhere is asked on loopback."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address, self.address)  # noqa: S104

    @property
    def where(self) -> str:
        return f"[{self.asked}]:{self.port}" if ":" in self.asked else f"{self.asked}:{self.port}"


class SelfLook:
    """All of a server's listeners. `title`: its own AE title."""

    def __init__(
        self, subjects: Sequence[Subject], listeners: Listeners, title: str, clock: Callable[[], int]
    ) -> None:
        self._subjects = subjects
        self._listeners = listeners
        self._clock = clock
        self._manner = Manner(
            contact="", max_level=Level.ANSWERS, options=frozenset({Option.TITLES}), titles=(title,),
            patience=PATIENCE, secret=secrets.token_bytes(32),
        )  # fmt: skip
        self._alarmed: frozenset[str] = frozenset()
        self._log = structlog.get_logger("leadglass.look")

    def callers(self) -> frozenset[tuple[str, str]]:
        """Address and calling AE title under which we come: nobody else can know the title and be there."""
        return frozenset(
            (each.asked, self._manner.made_up_title("calling", each.asked, each.port))
            for each in self._subjects
            if each.listener != HTTP
        )

    async def keep_looking(self) -> None:
        """Until cancelled."""
        while True:
            pause = DAILY if await self.look() else SOON
            await asyncio.sleep(pause)

    async def look(self) -> bool:
        """Once, at all of them; whether a stranger is refused everywhere and that is kept."""
        looks = await asyncio.gather(*map(self._one, self._subjects))
        self._tell(looks)
        try:
            await asyncio.to_thread(self._listeners.note, looks)
        except LeadglassError as error:
            self._log.error("the look at ourselves could not be kept", code=error.code)
            return False
        return all(look.met is Met.REFUSAL for look in looks)

    async def _one(self, subject: Subject) -> Look:
        at = self._clock()
        try:
            met, saw, checks = judge(subject.listener, await self._ask(subject))
        except LeadglassError as error:
            met, saw, checks = Met.NOTHING, error.code, ""
        except Exception:  # noqa: BLE001 - a bug ends this look, and not the looking
            self._log.exception("the look at ourselves failed", listener=subject.listener)
            met, saw, checks = Met.NOTHING, "failed", ""
        return Look(subject.listener, subject.where, at, met, saw, checks)

    async def _ask(self, subject: Subject) -> list[Observation]:
        tls = permissive() if subject.tls else None
        if subject.listener == HTTP:
            return await probe_web(subject.asked, subject.port, self._manner, tls=tls, host=subject.host)
        return await probe_dimse(subject.asked, subject.port, self._manner, tls=tls, probes=_PROBES)

    def _tell(self, looks: Sequence[Look]) -> None:
        """An alarm once, when it begins; the rest at each look."""
        for look in looks:
            said = {"listener": look.listener, "address": look.address, "saw": look.saw}
            if look.met is Met.REFUSAL:
                self._log.info("looked at ourselves: strangers are refused", **said)
            elif look.met is Met.NOTHING:
                self._log.warning("looked at ourselves: it could not be judged", **said)
            elif look.listener not in self._alarmed:
                self._log.error(
                    "STRANGERS ARE ANSWERED: this listener shows nobody a patient until that is mended",
                    checks=look.checks, **said,
                )  # fmt: skip
        ended = {look.listener for look in looks if look.met is Met.REFUSAL}
        began = {look.listener for look in looks if look.met is Met.ANSWERS}
        self._alarmed = (self._alarmed - ended) | began


def judge(listener: str, seen: Sequence[Observation]) -> tuple[Met, str, str]:
    """What a stranger met at one listener, the word that decided it, and the findings if he was answered."""
    if not seen:
        return Met.NOTHING, "nothing", ""
    (verdict,) = verdicts(seen)
    found = findings(seen, is_private=True)
    if listener == HTTP:
        met, saw = _on_the_web(seen, verdict, found)
    else:
        met, saw = _by_dicom(listener, seen, verdict), verdict.verdict.value
    return met, saw, " ".join(each.check for each in found) if met is Met.ANSWERS else ""


def _by_dicom(listener: str, seen: Sequence[Observation], verdict: HostVerdict) -> Met:
    """A stranger who is let in is answered, whatever for: what is shut offers him no query any more."""
    if verdict.level > Level.CLOSED:
        return Met.ANSWERS
    if verdict.verdict is Verdict.HANGS_UP and "connect_us" not in seen[verdict.decided_by].said:
        return Met.NOTHING  # before TLS stood: for want of room, perhaps
    return Met.REFUSAL if verdict.verdict in _REFUSALS[listener] else Met.NOTHING


def _on_the_web(
    seen: Sequence[Observation], verdict: HostVerdict, found: Sequence[Finding]
) -> tuple[Met, str]:
    """Once shut it denies him whom it takes for somebody, too. That is not how a stranger is turned away."""
    if verdict.level >= Level.ANSWERS or any(map(_shows_patients, found)):
        return Met.ANSWERS, verdict.verdict.value
    statuses = {path: _status(seen, path) for path in _TURNED_AWAY}
    if statuses == _TURNED_AWAY:
        return Met.REFUSAL, verdict.verdict.value
    wrong = next(status for path, status in statuses.items() if status != _TURNED_AWAY[path])
    if wrong is None:
        return Met.NOTHING, verdict.verdict.value
    return Met.ANSWERS if 200 <= wrong < 300 else Met.NOTHING, f"status-{wrong}"


def _shows_patients(finding: Finding) -> bool:
    return finding.check.startswith("W") and finding.severity >= Severity.CRITICAL


def _status(seen: Sequence[Observation], path: str) -> int | None:
    """Of the answer to the search at that path."""
    about = (each for each in seen if str(each.sent.get("path", "")).partition("?")[0] == path)
    status = next((each.said.get("status") for each in about), None)
    return status if isinstance(status, int) else None
