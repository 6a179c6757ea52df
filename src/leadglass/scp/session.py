"""Who is at the other end of an association, for its handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from leadglass.access.principal import Context, Principal, Via
from leadglass.archive.peers import Ae
from leadglass.net.connection import Peer


@dataclass(slots=True)
class Session:
    """One admitted association. `who` is the AE, or the user that it named inside TLS."""

    who: Principal
    ae: Ae
    peer: Peer
    via: Via
    clock: Callable[[], int]
    shut: Callable[[], bool] = lambda: False  # whether the listener is, for answering strangers
    vouched: int = 0  # ms: when it was last looked up who this is

    def context(self) -> Context:
        """The circumstances of what happens now."""
        return Context(address=self.peer.address, via=self.via, now=self.clock(), shut=self.shut())
