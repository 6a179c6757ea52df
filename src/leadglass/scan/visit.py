"""One port while it is asked: the association in use, the time that is left, and what was seen so far."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Final

from leadglass.dimse.command import Command
from leadglass.scan.clocks import now, since, ticks
from leadglass.scan.dial import Dial, dial
from leadglass.scan.ending import Ending, Over
from leadglass.scan.manner import Manner
from leadglass.scan.observation import PROBES, Observation, Outcome, Value, product
from leadglass.scan.requests import OFFERS, UNKNOWN_SERVICE, Keys, find, offers
from leadglass.scan.taker import Taker
from leadglass.scan.talk import Talk
from leadglass.ul.negotiation import AcceptedContext
from leadglass.ul.pdu import AssociateAC, AssociateRQ

_UID: Final = re.compile(r"[0-9.]{1,64}", re.ASCII)


@dataclass(slots=True)
class Visit:
    """`probes`: those that are to be sent; the scope's level may forbid some. `titles`: called and calling,
    under which we are let in. `accepted`: services, once they were offered; `takes_anything`: even one that
    was made up."""

    address: str
    port: int
    manner: Manner
    probes: Container[str]
    tls: ssl.SSLContext | None = None
    clock: Callable[[], int] = now
    note: Callable[[Observation], object] = lambda _: None
    dial: Dial = dial
    seen: list[Observation] = field(default_factory=list)
    titles: tuple[str, str] = ("", "")
    accepted: frozenset[str] = frozenset()
    takes_anything: bool = False
    talk: Talk | None = None
    _until: float = 0
    _knocked: tuple[int, float] | None = None  # when the next observation began

    def __post_init__(self) -> None:
        self._until = self.moment(self.manner.patience.host)

    def moment(self, seconds: float) -> float:
        """When so many seconds from now are over, for `until`."""
        return asyncio.get_running_loop().time() + seconds

    def until(self, moment: float) -> float:
        """Seconds that are left, of the time that this port is given as well."""
        return min(moment, self._until) - asyncio.get_running_loop().time()

    def seconds(self, at_most: float) -> float:
        return min(at_most, self.until(self._until))

    def wants(self, probe: str) -> bool:
        """Whether it is to be sent, is allowed, and there is time for it."""
        allowed = PROBES[probe].level <= self.manner.max_level
        return allowed and probe in self.probes and self.seconds(1) > 0

    def made_up(self, purpose: str) -> str:
        return self.manner.made_up_title(purpose, self.address, self.port)

    # --- observing ----------------------------------------------------------------------------------------

    async def observe(
        self,
        probe: str,
        sent: Mapping[str, Value],
        asking: Awaitable[Ending],
        so_far: Callable[[], Ending] | None = None,
    ) -> Ending:
        """One observation of whatever comes of `asking`; of what came `so_far` where that is cancelled."""
        at, started = self._knocked or (self.clock(), ticks())
        self._knocked = None
        try:
            ending = await asking
        except Over as over:
            ending = over.ending
        except asyncio.CancelledError:
            if so_far is not None:
                self._note(probe, sent, at, started, so_far())
            raise
        self._note(probe, sent, at, started, ending)
        return ending

    def _note(self, probe: str, sent: Mapping[str, Value], at: int, started: float, ending: Ending) -> None:
        said = {**ending.said, "tls": True} if self.tls is not None else ending.said
        seen = Observation(probe, self.address, self.port, at, since(started), ending.outcome, sent, said)
        self.seen.append(seen)
        self.note(seen)

    # --- associations -------------------------------------------------------------------------------------

    async def knock(self, probe: str) -> bool:
        """Whether there is a connection for `enter`. If not, `probe` is over before anything was sent."""
        at, started = self._knocked = self.clock(), ticks()
        try:
            self.talk = await self.dial(self.address, self.port, self.manner, self.tls)
        except Over as over:
            self._note(probe, {}, at, started, over.ending)
            return False
        return True

    async def enter(self, request: AssociateRQ) -> Ending:
        """An association, which stands in `talk` if it came about: on a connection of its own, or on the one
        that `knock` made."""
        if self.talk is None:
            self.talk = await self.dial(self.address, self.port, self.manner, self.tls)
        talk = self.talk
        try:
            answer = await talk.associate(request, self.seconds(self.manner.patience.answer))
        except Over as over:
            told = {**over.ending.said, "connect_us": talk.connect_us}
            raise Over(Ending(over.ending.outcome, told)) from None
        outcome = Outcome.ACCEPTED if talk.contexts else Outcome.EMPTY
        return Ending(outcome, {**_told(talk, answer), "connect_us": talk.connect_us})

    async def offer(self) -> Ending:
        """One for all services, of which few are used."""
        ending = await self.enter(offers(*self.titles, self.manner.bounds.data_pdu))
        assert self.talk is not None
        services = {context.abstract_syntax for context in self.talk.contexts.values()}
        self.accepted = frozenset(services & OFFERS.keys())
        self.takes_anything = UNKNOWN_SERVICE in services
        if self.takes_anything:
            return Ending(ending.outcome, {**ending.said, "accepts_unknown": True})
        return ending

    async def leave(self) -> None:
        """Politely: returns when the connection, if there is one, is gone."""
        talk, self.talk = self.talk, None
        if talk is not None:
            await talk.release()

    # --- queries ------------------------------------------------------------------------------------------

    async def context(self, service: str) -> tuple[Talk, AcceptedContext]:
        """On the association at hand, or on a new one where that has ended."""
        if self.talk is None or not self.talk.is_alive:
            await self.leave()
            await self.offer()
        talk = self.talk
        context = talk.context_for(service) if talk is not None else None
        if talk is None or context is None:
            raise Over(Ending(Outcome.EMPTY))
        return talk, context

    async def find(
        self,
        service: str,
        keys: Keys,
        taker: Taker,
        *,
        pace: float | None = None,
        seconds: float | None = None,
    ) -> Command:
        """One C-FIND. Its final response; Over when there is none."""
        talk, context = await self.context(service)
        answer = self.manner.patience.answer
        return await talk.perform(
            context.id,
            find(talk.next_message_id(), service),
            keys.encode(context.transfer_syntax),
            taker,
            pace=self.seconds(pace or answer),
            seconds=self.seconds(seconds or answer),
        )

    def asked(self, service: str, keys: Keys) -> dict[str, Value]:
        """What an observation of a query says was sent."""
        return {**self.named(), "model": service, "keys": keys.names}

    def named(self) -> dict[str, Value]:
        return {"called": self.titles[0], "calling": self.titles[1]}


def _told(talk: Talk, answer: AssociateAC) -> dict[str, Value]:
    """What an A-ASSOCIATE-AC says of the program behind it."""
    user = answer.user_information
    accepted = {c.abstract_syntax for c in talk.contexts.values()} - {UNKNOWN_SERVICE}
    told: dict[str, Value] = {
        "maximum_length": user.maximum_length,
        "accepted": tuple(sorted(accepted)),
    }
    if _UID.fullmatch(user.implementation_class_uid):
        told["implementation_class_uid"] = user.implementation_class_uid
    if version := product(user.implementation_version_name):
        told["implementation_version_name"] = version
    return told
