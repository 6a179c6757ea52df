"""Figures about requests, in a registry of our own: route names, statuses and times, nothing about people."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from leadglass.archive.listeners import Looked
from leadglass.archive.outlook import Outlook

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

_UPKEEP = {
    "objects_lost": "Objects that are lost and not shown.",
    "objects_damaged": "Objects that were found damaged and are not repaired yet.",
    "disk_days_left": "Days until the disk is full at the rate of the last 30 days; NaN: nobody can tell.",
    "intake_bytes_per_day": "Bytes of images that came in per day, over the last 30 days.",
    "newest_object_timestamp_seconds": "When the youngest object came in; 0 for never.",
    "scrub_finished_timestamp_seconds": "When everything had last been read again; 0 for never.",
    "deep_check_finished_timestamp_seconds": "When the last deep check ended; 0 for never.",
    "backup_finished_timestamp_seconds": "When the last back-up was finished; 0 for never.",
    "record_published_timestamp_seconds": "When the record was last published; 0 for never.",
    "certificate_expires_timestamp_seconds": "When the first certificate ends within 30 days; 0: none.",
}


def _figures(outlook: Outlook | None) -> dict[str, float]:
    if outlook is None:
        return {}
    return {
        "objects_lost": outlook.lost,
        "objects_damaged": outlook.damaged,
        "disk_days_left": math.nan if outlook.days_left is None else outlook.days_left,
        "intake_bytes_per_day": outlook.month.bytes_per_day,
        "newest_object_timestamp_seconds": _seconds(outlook.newest),
        "scrub_finished_timestamp_seconds": _seconds(outlook.scrub.finished),
        "deep_check_finished_timestamp_seconds": _seconds(outlook.deep_checked),
        "backup_finished_timestamp_seconds": _seconds(outlook.backed_up),
        "record_published_timestamp_seconds": _seconds(outlook.published),
        "certificate_expires_timestamp_seconds": min((e.expires / 1000 for e in outlook.expiring), default=0),
    }


def _seconds(at: int | None) -> float:
    return 0 if at is None else at / 1000


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

        self._upkeep = {
            name: Gauge(f"leadglass_{name}", said, registry=self._registry) for name, said in _UPKEEP.items()
        }

    def started(self) -> None:
        self._running.inc()

    def finished(self, route: str, status: int, seconds: float) -> None:
        self._running.dec()
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def exposition(self, looked: Iterable[Looked] = (), outlook: Outlook | None = None) -> bytes:
        """The text format that Prometheus reads. `looked`: the last look at each of our own listeners."""
        for name, value in _figures(outlook).items():
            self._upkeep[name].set(value)
        self._shut.clear()
        self._looked.clear()
        for each in looked:
            self._shut.labels(each.look.listener).set(each.shut is not None)
            self._looked.labels(each.look.listener).set(each.look.at / 1000)
        return generate_latest(self._registry)
