"""How fast a survey may go, in all and in each network, and how long it waits for an answer. No clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from leadglass.scan.addresses import network_24

_BURST_SECONDS: Final = 0.1  # that much may be taken at once: a timer is no finer
_MOST_NETWORKS: Final = 65_536  # before those that are at rest are forgotten
_LEAST_WAIT: Final = 1.0  # s: a host is not silent because its neighbours are fast
_DEVIATIONS: Final = 4


@dataclass(slots=True)
class Pace:
    """Connections a second, in all and in one /24 (IPv6: /64). Seconds of any one monotonic clock."""

    rate: float
    rate_per_24: float
    _all: float = 0
    _networks: dict[str, float] = field(default_factory=dict)

    def take(self, address: str, count: int, now: float) -> float:
        """`count` connections to `address`: seconds to wait before they may be made, 0 for none."""
        network = network_24(address)
        self._all = max(self._all, now) + count / self.rate
        own = self._networks[network] = max(self._networks.get(network, 0), now) + count / self.rate_per_24
        if len(self._networks) > _MOST_NETWORKS:
            self._networks = {name: until for name, until in self._networks.items() if until > now}
        return max(0, self._all - now - _burst(self.rate), own - now - _burst(self.rate_per_24))


def _burst(rate: float) -> float:
    """One connection, or what a tenth of a second allows."""
    return max(1 / rate, _BURST_SECONDS)


@dataclass(slots=True)
class Waiting:
    """How long an answer to a connection attempt is waited for: mean and deviation of those that came, as TCP
    reckons its own retransmissions (RFC 6298), between a second and `most`."""

    most: float
    _mean: float | None = None
    _deviation: float = 0

    def answered(self, seconds: float) -> None:
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
            return
        self._deviation += (abs(seconds - self._mean) - self._deviation) / 4
        self._mean += (seconds - self._mean) / 8

    @property
    def seconds(self) -> float:
        if self._mean is None:
            return self.most
        return min(self.most, max(_LEAST_WAIT, self._mean + _DEVIATIONS * self._deviation))
