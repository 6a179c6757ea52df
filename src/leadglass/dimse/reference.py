"""The tables of this package as rows for the conformance statement (PS3.2)."""

from __future__ import annotations

from leadglass.dimse.sop_classes import NON_PATIENT, RETIRED, STORAGE
from leadglass.dimse.status import STATUSES, Service

Rows = list[tuple[str, ...]]

STATUS_HEAD = ("code", "category", "name", "source", "what it tells people")
STORAGE_HEAD = ("SOP class", "UID", "remark")


def status_rows(service: Service) -> Rows:
    """Status codes that `service` adds to the general ones, by code."""
    return [
        (f"`{row.codes}`", row.category.value, row.name, row.source, row.sentence)
        for row in sorted(STATUSES[service], key=lambda row: row.first)
    ]


def storage_rows() -> Rows:
    """Every storage SOP class that is known, by name."""
    return [
        (name, f"`{uid}`", _remark(uid)) for uid, name in sorted(STORAGE.items(), key=lambda item: item[1])
    ]


def _remark(uid: str) -> str:
    if uid in RETIRED:
        return "retired"
    return "belongs to no patient" if uid in NON_PATIENT else ""
