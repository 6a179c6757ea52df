"""Which of the server's listeners are shut, because one that looked at them as a stranger was answered.

The look itself is made above: nothing here knows of a network. What it found is durable, in every process on
the home the same, and on the record where it changes something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from leadglass.access import listeners
from leadglass.access.listeners import LISTENER, Look, Looked, Met
from leadglass.access.principal import Via
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.db.engine import Transaction
from leadglass.record.log import Entry

__all__ = ["NAMES", "Listeners", "Look", "Looked", "Met", "sentence"]

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"receive": "Receive-only DICOM listener", "dimse": "TLS DICOM listener", "http": "Web listener"}
)
_VIA: Final = {"receive": Via.RECEIVE, "dimse": Via.DIMSE, "http": Via.WEB}


class Listeners:
    """The listeners of one home. `is_shut` costs nothing and is asked for every request."""

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper
        self._kept: frozenset[str] = frozenset()
        self._unkept: frozenset[str] = frozenset()  # shut, and the disk has not taken that yet
        self.refresh()

    def is_shut(self, via: Via) -> bool:
        listener = LISTENER.get(via, "")
        return listener in self._kept or listener in self._unkept

    def refresh(self) -> None:
        """What another process found counts here from now on."""
        with self._doorkeeper.db.read() as connection:
            self._kept = listeners.shut(connection)

    def last(self) -> tuple[Looked, ...]:
        """The last look at each. It names no patient; who may see it is asked by whoever shows it."""
        with self._doorkeeper.db.read() as connection:
            return tuple(listeners.looked(connection).values())

    def note(self, looks: Sequence[Look]) -> None:
        """Keep a look at all listeners there are. One that answers is shut at once, before that is durable.

        Unavailable when it cannot be kept: what is shut stays so, here and until this process ends.
        """
        answering = {look.listener for look in looks if look.met is Met.ANSWERS}
        self._unkept |= answering
        self._doorkeeper.db.write(lambda tx: self._keep(tx, looks), may_use_reserve=bool(answering)).result()
        self.refresh()
        self._unkept = frozenset()

    def _keep(self, tx: Transaction, looks: Sequence[Look]) -> None:
        known = listeners.looked(tx)
        for look in looks:
            before = known.pop(look.listener, Looked(look, None))
            is_shut = look.listener in self._unkept and before.shut is None
            after = Looked(look, look.at if is_shut else before.shut).after(look)
            listeners.keep(tx, after)
            if (before.shut is None) != (after.shut is None):
                self._doorkeeper.log.append(tx, _entry(after), look.at)
        for name, gone in known.items():  # no longer served; one that was shut is so again when it comes back
            if gone.shut is None:
                listeners.forget(tx, name)


def sentence(looked: Looked) -> str:
    """For people, without when and where."""
    if looked.look.met is Met.ANSWERS:
        found = f" ({looked.look.checks})" if looked.look.checks else ""
        return f"answers strangers{found}: it shows nobody a patient until that is mended. Storing goes on."
    if looked.look.met is Met.REFUSAL:
        return "refuses strangers"
    stays = " It stays shut: it answered strangers before." if looked.shut is not None else ""
    return f"could not be judged ({looked.look.saw}).{stays}"


def _entry(made: Looked) -> Entry:
    look = made.look
    detail = {"listener": look.listener, "address": look.address, "saw": look.saw, "checks": look.checks}
    return Entry(
        "system",
        "",
        "",
        "listener.open" if made.shut is None else "listener.shut",
        via=_VIA[look.listener].value,
        detail={name: value for name, value in detail.items() if value},
    )
