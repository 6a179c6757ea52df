"""What rows of studies and series repeat of the rows below them: counts, modalities, SOP classes.

Ingest keeps them up as it goes. A deletion, and a repair, derive them anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from leadglass.db.engine import Transaction
from leadglass.index import schema
from leadglass.index.records import MAX_SOP_CLASSES

_studies, _series, _instances, _modalities = (
    schema.studies,
    schema.series,
    schema.instances,
    schema.study_modalities,
)
_PAGE: Final = 500

_held = (
    sa.select(sa.func.count())
    .select_from(_instances)
    .where(_instances.c.series_id == _series.c.id)
    .scalar_subquery()
)
_series_page = (
    sa.select(
        _series.c.id, _series.c.study_id, _series.c.modality, _series.c.instance_count, _held.label("held")
    )
    .where(_series.c.study_id.in_(sa.bindparam("studies", expanding=True)))
    .order_by(_series.c.id)
)
_classes = (
    sa.select(_series.c.study_id, _instances.c.sop_class_uid)
    .join_from(_instances, _series, _instances.c.series_id == _series.c.id)
    .where(_series.c.study_id.in_(sa.bindparam("studies", expanding=True)))
    .distinct()
)
_repeated = ("series_count", "instance_count", "modalities", "sop_classes")
_study_page = (
    sa.select(_studies.c.id, *(_studies.c[name] for name in _repeated))
    .where(_studies.c.id > sa.bindparam("after"))
    .order_by(_studies.c.id)
    .limit(sa.bindparam("limit"))
)


def page(connection: sa.Connection, after: int, limit: int = _PAGE) -> tuple[list[int], list[int]]:
    """Of the next studies behind `after`: all their numbers, and those whose row is not what it repeats."""
    rows = connection.execute(_study_page, {"after": after, "limit": limit}).all()
    derived = _derived(connection, [row.id for row in rows])
    wrong = [row.id for row in rows if derived[row.id] != {name: getattr(row, name) for name in _repeated}]
    series = connection.execute(_series_page, {"studies": [row.id for row in rows]})
    wrong += [row.study_id for row in series if row.instance_count != row.held]
    return [row.id for row in rows], sorted(set(wrong))


def recount(tx: Transaction, study_id: int) -> None:
    """Derive the study's row, and those of its series, from what is below them."""
    for row in tx.execute(_series_page, {"studies": [study_id]}).all():
        if row.instance_count != row.held:
            tx.execute(sa.update(_series).where(_series.c.id == row.id).values(instance_count=row.held))
    derived = _derived(tx, [study_id])[study_id]
    tx.execute(sa.update(_studies).where(_studies.c.id == study_id).values(derived))
    tx.execute(sa.delete(_modalities).where(_modalities.c.study_id == study_id))
    at = sa.select(_studies.c.study_date, _studies.c.study_time).where(_studies.c.id == study_id)
    dated = dict(tx.execute(at).mappings().one())
    for modality in filter(None, derived["modalities"].split("\\")):
        values = {"modality": modality, "study_id": study_id, **dated}
        tx.execute(sa.insert(_modalities), values)


def _derived(tx: sa.Connection | Transaction, studies: Sequence[int]) -> dict[int, dict[str, Any]]:
    series: dict[int, list[Any]] = {study: [] for study in studies}
    classes: dict[int, set[str]] = {study: set() for study in studies}
    for row in tx.execute(_series_page, {"studies": studies}):
        series[row.study_id].append(row)
    for each in tx.execute(_classes, {"studies": studies}):
        classes[each.study_id].add(each.sop_class_uid)
    return {
        study: {
            "series_count": len(series[study]),
            "instance_count": sum(row.held for row in series[study]),
            "modalities": "\\".join(sorted({row.modality for row in series[study]} - {""})),
            "sop_classes": _joined(classes[study]),
        }
        for study in studies
    }


def _joined(uids: set[str]) -> str:
    """As many as the column holds; ingest leaves out what does not fit, too."""
    joined = "\\".join(sorted(uids))
    while len(joined) > MAX_SOP_CLASSES:
        joined = joined.rpartition("\\")[0]
    return joined
