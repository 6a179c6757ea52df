"""Who may see what a survey of the networks found, and have it looked at again. Asked, and on the record.

The survey's own register knows no policy: it is read behind this.
"""

from __future__ import annotations

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper


class Exposure:
    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper

    def enter(self, who: Principal, action: Action, context: Context, **detail: str | int) -> None:
        """Denied unless the policy allows it; on the record before anything is shown or sent."""
        self._doorkeeper.require(who, action, context)
        self._doorkeeper.record(self._doorkeeper.entry(who, action, context, detail=detail), context.now)
