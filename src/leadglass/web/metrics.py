"""Figures about requests, in a registry of our own: route names, statuses and times, nothing about people."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from leadglass.archive.listeners import Looked

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "leadglass_http_requests", "Requests answered.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "leadglass_http_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._running = Gauge(
            "leadglass_http_requests_running", "Requests being answered.", registry=self._registry
        )

        self._shut = Gauge(
            "leadglass_listener_shut",
            "1 while a listener of ours is shut for having answered a stranger.",
            ("listener",),
            registry=self._registry,
        )
        self._looked = Gauge(
            "leadglass_listener_looked_timestamp_seconds",
            "When a listener of ours was last looked at as a stranger.",
            ("listener",),
            registry=self._registry,
        )

    def started(self) -> None:
        self._running.inc()

    def finished(self, route: str, status: int, seconds: float) -> None:
        self._running.dec()
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def exposition(self, looked: Iterable[Looked] = ()) -> bytes:
        """The text format that Prometheus reads. `looked`: the last look at each of our own listeners."""
        self._shut.clear()
        self._looked.clear()
        for each in looked:
            self._shut.labels(each.look.listener).set(each.shut is not None)
            self._looked.labels(each.look.listener).set(each.look.at / 1000)
        return generate_latest(self._registry)
