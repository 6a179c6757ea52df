"""Accesses under way: opened on the record before the first byte, closed with what was delivered.

Scrolling through a series is one access, not a thousand: what one session does with one study under
one right, and for one receiver, joins the access that is open, and it closes when nothing has happened for
a while. After a crash the closing entry is missing, and the record's reader says "at least".
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper, or_nothing_is_shown
from leadglass.errors import Unavailable
from leadglass.index.rows import StudyRow
from leadglass.record.log import Entry

IDLE = 2 * 60_000  # ms without a delivery after which an access is closed
LONGEST = 60 * 60_000  # ms after which an access is closed and, if still needed, opened anew
MOST_OPEN = 10_000

_Key = tuple[str, str, str, int, str]  # credential, actor, action, study, receiver


@dataclass(slots=True, eq=False)
class Access:
    """One access on the record. `count` is called with what is about to be delivered."""

    key: _Key
    entry: Entry
    opened: int
    seen: int
    seq: int | None = None
    busy: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, **delivered: int) -> None:
        with self.lock:
            self.counts.update(delivered)

    def is_over(self, now: int) -> bool:
        return not self.busy and (now - self.seen >= IDLE or now - self.opened >= LONGEST)


class Ledger:
    """The open accesses of one process."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper
        self._lock = threading.RLock()  # an abandoned iterator may be collected, and leave, at any moment
        self._open: dict[_Key, Access] = {}

    def enter(
        self, who: Principal, action: Action, study: StudyRow, context: Context, to: str = ""
    ) -> Access:
        """The open access this belongs to, durably on the record. The caller has asked the policy.

        `to` names the application entity that it is sent to, if that is another than who asks. Pair with
        `leave`: an access somebody is still being served under is not closed.
        """
        access = self._join(who, action, study, context, to)
        self._have_recorded([access], context.now)
        return access

    def announce(
        self, who: Principal, action: Action, studies: Iterable[StudyRow], context: Context, to: str = ""
    ) -> None:
        """An access to each of these, all on the record together: to be called before it is told that there
        are such, or how much. What is served of them joins it."""
        in_order = sorted(studies, key=lambda study: study.id)  # two of them never wait for each other
        accesses = [self._join(who, action, study, context, to) for study in in_order]
        self._have_recorded(accesses, context.now)
        for access in accesses:
            self.leave(access, context.now)

    def leave(self, access: Access, now: int) -> None:
        with self._lock:
            access.busy -= 1
            access.seen = max(access.seen, now)

    def expire(self, now: int) -> None:
        """Close what has been idle; to be called every few seconds."""
        self._close_where(lambda access: access.is_over(now), now)

    def close_of(self, credential: str, now: int) -> None:
        """Close what one session opened: it signed out."""
        self._close_where(lambda access: access.key[0] == credential and not access.busy, now)

    def close(self, now: int) -> None:
        """Close everything, and wait until that is on the record."""
        for future in self._close_where(lambda _: True, now):
            try:
                future.result()
            except Unavailable:
                return  # the record cannot be written any more: these accesses read "at least"

    def _join(self, who: Principal, action: Action, study: StudyRow, context: Context, to: str) -> Access:
        """The open access this belongs to, or a new one that nothing is recorded of yet."""
        key = (who.credential, who.actor, action.value, study.id, to)
        with self._lock:
            access = self._open.pop(key, None)
            if access is None:
                entry = self._doorkeeper.entry(
                    who,
                    action,
                    context,
                    phase="open",
                    department=study.department_id,
                    detail={"to": to} if to else {},
                    **self._doorkeeper.about([study]),
                )
                access = Access(key, entry, opened=context.now, seen=context.now)
            self._open[key] = access  # the youngest stands last
            access.busy += 1
            access.seen = max(access.seen, context.now)
        return access

    def _have_recorded(self, accesses: Sequence[Access], now: int) -> None:
        """Those of them that are not on the record yet, in one go; when that fails, none is entered."""
        try:
            with ExitStack() as locks, or_nothing_is_shown():
                for access in accesses:
                    locks.enter_context(access.lock)
                new = [access for access in accesses if access.seq is None]
                for access, number in [
                    (access, self._doorkeeper.append(access.entry, now)) for access in new
                ]:
                    access.seq = number.result()
        except BaseException:
            for access in accesses:
                self._abandon(access)
            raise
        if len(self._open) > MOST_OPEN:
            self._close_where(lambda other: not other.busy, now, most=MOST_OPEN // 10)

    def _abandon(self, access: Access) -> None:
        with self._lock:
            access.busy -= 1
            if access.seq is None and not access.busy and self._open.get(access.key) is access:
                del self._open[access.key]  # nobody else is about to have it recorded after all

    def _close_where(
        self, over: Callable[[Access], bool], now: int, most: int | None = None
    ) -> list[Future[int]]:
        with self._lock:
            closing = [access for access in self._open.values() if access.seq is not None and over(access)]
            for access in closing[:most]:
                del self._open[access.key]
        return [self._closing(access, now) for access in closing[:most]]

    def _closing(self, access: Access, now: int) -> Future[int]:
        with access.lock:
            assert access.seq is not None
            entry = access.entry.closing(access.seq, counts=dict(access.counts))
        return self._doorkeeper.append(entry, max(now, access.seen))
