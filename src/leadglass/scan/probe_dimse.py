"""The D probes: how far one port lets a stranger in over DICOM, found out as cheaply as possible.

    associate ─▶ echo ─▶ release          one association: D01 to D03, D05
       │ turned down ─▶ scan.titles         whether it is worth asking under other titles, D04
       ▼
    offers ─▶ find-none ─▶ worklist-none    another one: D08, D09, D11, D06, D10
                    ─▶ count ─▶ identifiers    where the scope allows it: D07

Nothing is retrieved, stored, moved, created or printed: the only operations are C-ECHO and C-FIND.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Container
from typing import Final

from leadglass.dimse.command import Command
from leadglass.dimse.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, VERIFICATION
from leadglass.dimse.status import Category, category
from leadglass.scan.clocks import now, since, ticks
from leadglass.scan.dial import Dial, dial
from leadglass.scan.ending import Ending, Over
from leadglass.scan.manner import Manner, Option
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.presence import presence
from leadglass.scan.requests import WORKLIST_FIND, Keys, echo, no_procedure, no_study, verification
from leadglass.scan.taker import Next
from leadglass.scan.tally import count
from leadglass.scan.titles import MADE_UP, NAMED, OWN, Attempt, Tried, next_attempt
from leadglass.scan.visit import Visit

LADDER: Final = frozenset(
    {MADE_UP, OWN, NAMED, "echo", "offers", "find-none", "worklist-none", "count", "identifiers"}
)
_INSIDE: Final = ("offers", "find-none", "worklist-none", "count", "identifiers")
_IN: Final = frozenset({Outcome.ACCEPTED, Outcome.EMPTY})


async def probe_dimse(
    address: str,
    port: int,
    manner: Manner,
    *,
    tls: ssl.SSLContext | None = None,
    probes: Container[str] = LADDER,
    clock: Callable[[], int] = now,
    note: Callable[[Observation], object] = lambda _: None,
    dial: Dial = dial,
) -> list[Observation]:
    """What was seen, in its order; `note` is given each as it is made, so that nothing is lost by a stop.

    `probes`: those that may be sent, within `manner.max_level`. `clock`: ms since the epoch, UTC.
    Whatever the other side does is an outcome. Unavailable (code sockets) when this machine cannot connect.
    """
    visit = Visit(address, port, manner, probes, tls, clock, note, dial)
    try:
        if await _introduce(visit):
            await _look_around(visit)
    finally:
        await visit.leave()
    return visit.seen


# --- getting in -------------------------------------------------------------------------------------------


async def _introduce(visit: Visit) -> bool:
    """Whether somebody is let in who is nobody, or who knows a title; C-ECHO at once if so."""
    if not visit.wants(MADE_UP) or not await visit.knock(MADE_UP):
        return False
    names = visit.manner.titles if Option.TITLES in visit.manner.options else ()
    attempt = Attempt(MADE_UP, visit.made_up("called"), visit.made_up("calling"))
    tried: list[Tried] = []
    while True:
        ending = await _attempt(visit, attempt)
        if ending.outcome in _IN:
            await _greet(visit)
            return attempt.probe != OWN  # who knows the survey by its title has let in no stranger
        tried.append(Tried(attempt, ending))
        following = next_attempt(tried, names)
        if following is None or not visit.wants(following.probe) or not await visit.knock(following.probe):
            return False
        attempt = following


async def _attempt(visit: Visit, attempt: Attempt) -> Ending:
    visit.titles = attempt.called, attempt.calling
    request = verification(*visit.titles, visit.manner.bounds.data_pdu)
    ending = await visit.observe(attempt.probe, visit.named(), visit.enter(request))
    if ending.outcome not in _IN:
        await visit.leave()
    return ending


async def _greet(visit: Visit) -> None:
    talk = visit.talk
    if talk is not None and talk.context_for(VERIFICATION) is not None and visit.wants("echo"):
        await visit.observe("echo", visit.named(), _echo(visit))
    await visit.leave()


async def _echo(visit: Visit) -> Ending:
    talk = visit.talk
    assert talk is not None
    context = talk.context_for(VERIFICATION)
    assert context is not None
    started, seconds = ticks(), visit.seconds(visit.manner.patience.answer)
    request = echo(talk.next_message_id())
    return answered(await talk.perform(context.id, request, pace=seconds, seconds=seconds), started)


def answered(response: Command, started: float) -> Ending:
    return Ending(Outcome.ANSWERED, {"status": response.status or 0, "answer_us": since(started)})


# --- inside -----------------------------------------------------------------------------------------------


async def _look_around(visit: Visit) -> None:
    """What is offered to whoever is in, and whether it may be asked."""
    if not any(map(visit.wants, _INSIDE)):
        return
    await visit.observe("offers", visit.named(), visit.offer())
    model = next((m for m in (STUDY_ROOT_FIND, PATIENT_ROOT_FIND) if m in visit.accepted), None)
    nobody = visit.made_up("nobody")

    found = None
    if model is not None and visit.wants("find-none"):
        found = await _find_none(visit, "find-none", model, no_study(model, nobody))
    if WORKLIST_FIND in visit.accepted and visit.wants("worklist-none"):
        await _find_none(visit, "worklist-none", WORKLIST_FIND, no_procedure(nobody))
    if model is not None and _answers(found):
        await _count(visit, model, found)


async def _count(visit: Visit, model: str, found: Ending | None) -> None:
    """Only where a stranger's query is answered at all."""
    if visit.wants("count"):
        ignores_dates = found is not None and found.outcome is Outcome.STOPPED
        await count(visit, model, ignores_dates=ignores_dates)
    if visit.wants("identifiers") and Option.IDENTIFIERS in visit.manner.options:
        await presence(visit, model)


class _NoMatch:
    """Aborts at the first match: there should have been none, and nobody wants to see it."""

    def pending(self, _: Command) -> Next:
        return Next.ABORT

    def data(self, piece: memoryview, is_last: bool) -> None:
        """Not reached."""


async def _find_none(visit: Visit, probe: str, service: str, keys: Keys) -> Ending:
    return await visit.observe(probe, visit.asked(service, keys), _ask_for_nothing(visit, service, keys))


async def _ask_for_nothing(visit: Visit, service: str, keys: Keys) -> Ending:
    started = ticks()
    try:
        response = await visit.find(service, keys, _NoMatch())
    except Over as over:
        if over.ending.outcome is Outcome.STOPPED:
            raise Over(Ending(Outcome.STOPPED, {"cause": "pending", "pending": 1})) from None
        raise
    return answered(response, started)


def _answers(ending: Ending | None) -> bool:
    """Whether queries of strangers are answered: no match, or one that there should not have been."""
    if ending is None:
        return False
    if ending.outcome is Outcome.STOPPED:
        return True
    status = ending.said.get("status")
    return ending.outcome is Outcome.ANSWERED and category(int(str(status))) is not Category.FAILURE
