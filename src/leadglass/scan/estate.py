"""The register as a page shows it: the last survey, its cases and warnings, and a second look at one port."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from leadglass.errors import Conflict, NotFound
from leadglass.scan.asking import ASKS
from leadglass.scan.casebook import Warned
from leadglass.scan.doubts import Doubt
from leadglass.scan.followup import PENDING, Case
from leadglass.scan.manner import Manner
from leadglass.scan.register import Kind, Register
from leadglass.scan.report.context import point
from leadglass.scan.results import Result, keep, load
from leadglass.scan.retest import chosen, opened, plan_for
from leadglass.scan.scope import read_scope
from leadglass.scan.survey import Surveyor

Opener = Callable[[], AbstractContextManager[Register]]


@dataclass(frozen=True, slots=True)
class Overview:
    """`again`: the last second look, if it came after the survey; `cases`: those that are not closed."""

    result: Result
    again: Result | None
    cases: tuple[Case, ...]
    warnings: tuple[Warned, ...]
    trend: tuple[tuple[int, int], ...]  # ms since the epoch, hosts that answer strangers

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        return self.result.network.doubts


class Estate:
    """`exists`: whether there is a register at all; it is not made by being looked at. `clock`: ms, UTC."""

    def __init__(self, opener: Opener, exists: Callable[[], bool], clock: Callable[[], int]) -> None:
        self._opener = opener
        self._exists = exists
        self._clock = clock
        self._busy = threading.Lock()

    @property
    def is_busy(self) -> bool:
        return self._busy.locked()

    def overview(self) -> Overview | None:
        """None when nothing was surveyed yet."""
        if not self._exists():
            return None
        with self._opener() as register:
            try:
                result = load(register, register.survey(), self._clock())
            except NotFound:
                return None
            last = register.surveys(1)[0]
            again = load(register, last, self._clock()) if last.kind is Kind.RETEST else None
            cases = tuple(case for case in register.casebook.cases() if case.state in PENDING)
            warnings = tuple(register.casebook.warnings())
        about = result.about
        points = (*about.earlier, point(about.survey, result.network))
        same = tuple((each.started, each.answering) for each in points if each.method == about.survey.method)
        return Overview(result, again, cases, warnings, same)

    def retest(self, address: str, port: int) -> None:
        """Ask one port again, as the last survey did; blocks until that is done. NotFound when it was not
        open, Conflict while another is asked, Violation when the scope has expired meanwhile."""
        if not self._busy.acquire(blocking=False):
            raise Conflict("Another port is being asked again. Wait until that is done.", code="busy")
        try:
            with self._opener() as register:
                asyncio.run(self._again(register, address, port))
        finally:
            self._busy.release()

    async def _again(self, register: Register, address: str, port: int) -> None:
        first = load(register, register.survey(), self._clock())
        survey = first.about.survey
        scope = read_scope(survey.scope.encode(), self._clock())
        plan = plan_for(chosen(opened(first.network), [(address, (port,))]), scope)
        second = register.begin(
            survey.scope, plan.to_json(), plan.blocks, survey.vantage, self._clock(),
            kind=Kind.RETEST, folder=survey.folder,
        )  # fmt: skip
        manner = Manner(
            scope.contact, scope.max_level, scope.options, scope.titles, secret=secrets.token_bytes(32)
        )
        await Surveyor(scope, second, register, manner, ASKS, clock=self._clock).run()
        keep(register, load(register, register.survey(second.id), self._clock()))
