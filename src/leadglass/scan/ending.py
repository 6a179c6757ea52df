"""What came of something that was asked: an outcome and what an observation says besides."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from leadglass.scan.observation import Outcome, Value


@dataclass(frozen=True, slots=True)
class Ending:
    outcome: Outcome
    said: Mapping[str, Value] = field(default_factory=dict)


class Over(Exception):
    """The connection or the association is over before what was asked is answered. Stays within the scan."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.outcome.value)
        self.ending = ending


def alerted(error: ssl.SSLError) -> Ending:
    """What TLS says of its end: an alert of the other side's, or rules that it broke."""
    reason = (error.reason or "").lower().replace("_", "-")
    _, is_alert, alert = reason.rpartition("alert-")
    if is_alert:
        return Ending(Outcome.ALERTED, {"alert": alert[:64]})
    return Ending(Outcome.MISBEHAVES, {"fault": f"tls-{reason}"[:64] if reason else "tls"})
