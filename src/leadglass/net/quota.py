"""How many connections there may be, counted when they are accepted: before TLS, before any byte.

An address that is at its quota, or a listener that is, gains room by the connection that has waited longest
without an association; when all of them are associated, the newcomer goes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable


class Place:
    """One accepted connection. `leave` makes its connection go, whatever state it is in."""

    __slots__ = ("_quota", "address", "leave")

    def __init__(self, address: str, leave: Callable[[], None], quota: Quota) -> None:
        self.address = address
        self.leave = leave
        self._quota = quota

    def associated(self) -> None:
        """It is somebody we know: it goes for nobody."""
        self._quota.associated(self)

    def left(self) -> None:
        """The connection is gone. Calling it again changes nothing."""
        self._quota.left(self)


class Quota:
    def __init__(self, in_all: int, per_address: int) -> None:
        self._in_all = in_all
        self._per_address = per_address
        self._count = 0
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._strangers: dict[str, dict[Place, None]] = {}  # by address, oldest first
        self._oldest: dict[Place, None] = {}  # those of all addresses

    def __len__(self) -> int:
        return self._count

    def enter(self, address: str, leave: Callable[[], None]) -> Place | None:
        """A place for a connection from `address`; None when there is none to be had."""
        if self._counts[address] >= self._per_address and not self._make_room(self._strangers.get(address)):
            return None
        if self._count >= self._in_all and not self._make_room(self._oldest):
            return None
        place = Place(address, leave, self)
        self._count += 1
        self._counts[address] += 1
        self._strangers.setdefault(address, {})[place] = None
        self._oldest[place] = None
        return place

    def associated(self, place: Place) -> None:
        self._oldest.pop(place, None)
        strangers = self._strangers.get(place.address, {})
        strangers.pop(place, None)
        if not strangers:
            self._strangers.pop(place.address, None)

    def left(self, place: Place) -> None:
        self.associated(place)
        if place.address and self._counts[place.address]:
            self._count -= 1
            self._counts[place.address] -= 1
            if not self._counts[place.address]:
                del self._counts[place.address]
        place.address = ""

    def _make_room(self, among: dict[Place, None] | None) -> bool:
        if not among:
            return False
        place = next(iter(among))
        leave = place.leave
        self.left(place)
        leave()
        return True
