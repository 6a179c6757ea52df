"""A survey under way: who is asked when, within a scope's rates and hours, resumable at any moment.

    block ─▶ knock at its hosts' ports ─▶ examine what is open, host by host ─▶ register
                                          one association at a time

A worker has one host at a time, and a host one worker. What a host said is written when it is done, a block
when all of its hosts are; after a kill, both are asked again unless they were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Final, NamedTuple

from leadglass.scan.dial import knock
from leadglass.scan.doubts_port import MANY_PORTS
from leadglass.scan.examine import Ask, Language, examine
from leadglass.scan.manner import MOST_TITLES, Manner
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.pace import Pace, Waiting
from leadglass.scan.plan import Plan
from leadglass.scan.ports import purpose
from leadglass.scan.register import Done, Kind, Register, Survey, Tally
from leadglass.scan.scope import Scope

WORKERS: Final = 256
_SILENT_PORTS: Final = 2  # of a host before the rest of its ports are tried at once
_YIELD_EVERY: Final = 16  # hosts whose ports all refused, before a worker lets others run
_BUSY_SECONDS: Final = 5  # before somebody who was busy is asked once more
_GATHER_SECONDS: Final = 0.1  # in which hosts that are done wait for each other, to be written at once
_WRITES: Final = 512  # not durable yet before a worker waits for one
_ANSWERED: Final = frozenset({Outcome.OPEN, Outcome.REFUSED})
_CONGESTED: Final = frozenset({(3, 1), (3, 2)})  # source and reason (PS3.8 Table 9-21)


@dataclass(slots=True)
class Progress:
    """How far a survey is. `began`: seconds of the monotonic clock."""

    hosts: int
    endpoints: int
    done_hosts: int = 0
    knocked: int = 0
    open_ports: int = 0
    answering: int = 0
    tally: Tally = field(default_factory=Tally)
    began: float = field(default_factory=monotonic)
    earlier: int = 0  # hosts that were done before this run

    def rate(self, now: float) -> float:
        """Hosts a second of this run."""
        return (self.done_hosts - self.earlier) / max(now - self.began, 1e-6)

    def remaining(self, now: float) -> float | None:
        """Seconds, as it has gone so far; None while nobody can tell."""
        rate = self.rate(now)
        return (self.hosts - self.done_hosts) / rate if rate > 0 else None


class _Knock(NamedTuple):
    """One attempt at one port. No observation yet: of most of them nobody wants one."""

    port: int
    at: int
    took_us: int
    outcome: Outcome

    def observed(self, address: str) -> Observation:
        return Observation("tcp", address, self.port, self.at, self.took_us, self.outcome)


@dataclass(slots=True)
class _Block:
    number: int
    left: int  # hosts
    tally: Tally = field(default_factory=Tally)
    written: set[Future[None]] = field(default_factory=set)  # hosts at which somebody answered


class Surveyor:
    """One run of a survey. `clock`: ms since the epoch, UTC; `now`: seconds, monotonic."""

    def __init__(
        self,
        scope: Scope,
        survey: Survey,
        register: Register,
        manner: Manner,
        asks: Mapping[Language, Ask],
        *,
        clock: Callable[[], int],
        workers: int = WORKERS,
    ) -> None:
        self._scope = scope
        self._survey = survey
        self._plan = Plan.from_json(survey.plan)
        self._titles = dict(self._plan.titles)
        self._register = register
        self._manner = manner
        self._asks = asks
        self._clock = clock
        self._workers = workers
        self._pace = Pace(scope.rate, scope.rate_per_24)
        self._waiting = Waiting(manner.patience.connect)
        self._done: list[tuple[_Block, Done]] = []  # hosts that are to be written
        self._writes: set[asyncio.Future[None]] = set()
        self._failure: BaseException | None = None  # of a write: what is not kept need not be asked
        self._known: set[str] = set()
        self.progress = Progress(self._plan.hosts, self._plan.endpoints)

    async def run(self) -> None:
        """To the end. Cancelled, it lets go of everybody politely and keeps the hosts that are done."""
        done = self._register.blocks_done(self._survey.id)
        self._known = self._register.hosts_done(self._survey.id)
        hosts = self._hosts(done)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._workers, self._plan.hosts)):
                    group.create_task(self._work(hosts))
        except BaseExceptionGroup as several:  # one reason is enough to end for
            raise several.exceptions[0] from None
        finally:
            self._flush()
            while self._writes:
                await asyncio.wait(self._writes)
        if self._failure is not None:
            raise self._failure
        self._register.finish(self._survey.id, self._clock())

    def _hosts(self, done: set[int]) -> Iterator[tuple[_Block, str, tuple[int, ...]]]:
        for number in range(self._plan.blocks):
            members = list(self._plan.block(number))
            if number in done:
                self.progress.done_hosts += len(members)
                self.progress.earlier += len(members)
                continue
            block = _Block(number, len(members))
            for address, ports in members:
                yield block, address, ports

    async def _work(self, hosts: Iterator[tuple[_Block, str, tuple[int, ...]]]) -> None:
        idle = 0
        for block, address, ports in hosts:
            if self._failure is not None:
                raise self._failure
            if address not in self._known:
                knocks = await self._knock(block, address, ports)
                opened = [each.port for each in knocks if each.outcome is Outcome.OPEN]
                if opened or self._survey.kind is Kind.RETEST:
                    await self._host(block, address, opened, knocks)
            self._leave(block)
            idle = (idle + 1) % _YIELD_EVERY
            if not idle:
                await asyncio.sleep(0)
            if len(self._writes) > _WRITES:
                await asyncio.wait(self._writes, return_when=asyncio.FIRST_COMPLETED)

    # --- who is there -------------------------------------------------------------------------------------

    async def _knock(self, block: _Block, address: str, ports: Sequence[int]) -> list[_Knock]:
        """Who is there. One port after the other, as long as the host answers; one that is silent at the
        first is tried at the others all at once, or all would wait for hosts that are not there."""
        found: list[_Knock] = []
        for at, port in enumerate(ports):
            found.append(await self._one(address, port))
            if at + 1 == _SILENT_PORTS and all(each.outcome is Outcome.SILENT for each in found):
                rest = ports[at + 1 :]
                found += await asyncio.gather(*(self._one(address, other) for other in rest))
                break
        outcomes = [each.outcome for each in found]
        tally = Tally(*(outcomes.count(o) for o in (Outcome.REFUSED, Outcome.SILENT, Outcome.UNREACHABLE)))
        block.tally += tally
        self.progress.tally += tally
        return found

    async def _one(self, address: str, port: int) -> _Knock:
        await self._pass(address, port)
        at, began = self._clock(), monotonic()
        outcome = await knock(address, port, self._waiting.seconds)
        took = monotonic() - began
        if outcome in _ANSWERED:
            self._waiting.answered(took)
        self.progress.knocked += 1
        return _Knock(port, at, int(took * 1e6), outcome)

    async def _pass(self, address: str, port: int, connections: int = 1) -> None:
        """Nothing goes out but past here. Denied ends the survey: its scope has expired, or we are wrong."""
        if self._scope.hours is not None and (wait := self._scope.hours.wait(self._clock())) > 0:
            await asyncio.sleep(wait)
        wait = self._pace.take(address, connections, monotonic())
        if wait > 0:
            await asyncio.sleep(wait)
        self._scope.require(address, port, self._clock())

    # --- what they say ------------------------------------------------------------------------------------

    async def _host(
        self, block: _Block, address: str, ports: Sequence[int], knocks: Sequence[_Knock]
    ) -> None:
        """A second look keeps the ports at which nobody is, too: they may be what was hoped for. So does one
        at whoever seems to listen everywhere: a port that is closed speaks for him."""
        self.progress.open_ports += len(ports)
        seen: list[Observation] = []
        if self._survey.kind is Kind.RETEST or len(ports) >= MANY_PORTS:
            seen += [each.observed(address) for each in knocks if each.outcome is not Outcome.OPEN]
        for port in ports:
            seen += await self._port(address, port)
        if any(each.outcome is not Outcome.REFUSED for each in seen):
            self.progress.answering += 1
        if not self._done:
            asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._flush)
        self._done.append((block, Done(address, seen, self._clock())))

    async def _port(self, address: str, port: int) -> list[Observation]:
        seen = await self._asked(address, port)
        if _was_busy(seen):
            await asyncio.sleep(_BUSY_SECONDS)
            seen += await self._asked(address, port)
        return seen

    async def _asked(self, address: str, port: int) -> list[Observation]:
        await self._pass(address, port)
        seen = await examine(address, port, purpose(port), self._manner_for(address), self._asks)
        if seen:  # what was asked beyond the first connection counts against the rates afterwards
            self._pace.take(address, len(seen) - 1, monotonic())
        return seen

    def _manner_for(self, address: str) -> Manner:
        """With the AE titles that an inventory has for that host, before those of the scope."""
        own = self._titles.get(address)
        if own is None:
            return self._manner
        return replace(self._manner, titles=(*own, *self._manner.titles)[:MOST_TITLES])

    def _leave(self, block: _Block) -> None:
        block.left -= 1
        self.progress.done_hosts += 1
        if not block.left:
            self._flush()
            if self._failure is None:
                done = (self._survey.id, block.number, block.tally, block.written)
                self._write(self._register.block_done(*done))

    def _flush(self) -> None:
        """Hand over the hosts that were gathered. A timer calls this, too, so that a failure is kept."""
        done, self._done = self._done, []
        if not done:
            return
        try:
            written = self._register.write_hosts(self._survey.id, [host for _, host in done])
            for block, _ in done:
                block.written.add(written)
            self._write(written)
        except Exception as error:  # noqa: BLE001 - it ends the survey, whatever it is
            self._failure = self._failure or error

    def _write(self, written: Future[None]) -> None:
        future = asyncio.wrap_future(written)
        self._writes.add(future)
        future.add_done_callback(self._written)

    def _written(self, future: asyncio.Future[None]) -> None:
        self._writes.discard(future)
        self._failure = self._failure or future.exception()


def _was_busy(seen: Sequence[Observation]) -> bool:
    """Turned away for the time being: congestion, or a limit that was reached."""
    return any(
        each.outcome is Outcome.REJECTED and (each.said.get("source"), each.said.get("reason")) in _CONGESTED
        for each in seen
    )
