"""Who is at the other end of an association, for its handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from leadglass.access.principal import Context, Principal, Via
from leadglass.archive.peers import Ae


@dataclass(slots=True)
class Session:
    """One admitted association. `who` is the AE, or the user it named inside TLS."""

    who: Principal
    ae: Ae
    address: str
    via: Via
    clock: Callable[[], int]
    vouched: int  # ms: when the AE was last looked up

    def context(self) -> Context:
        """The circumstances of what happens now."""
        return Context(address=self.address, via=self.via, now=self.clock())
