"""Rows of what was kept aside: each department's own, and nothing of a study that the reader may not see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leadglass.index import asides, lookup, schema
from leadglass.index.fitting import Clash
from leadglass.index.rows import NO_STUDY

CLASH = Clash.OTHER_CONTENT
UID = "1.2.3.1.1"


@pytest.fixture
def put(shelf: Any, facts: Any) -> Any:
    """Keep an object aside, and return what seals it."""

    def keep(
        content: str, *, study: int | None, department: int, clash: Clash = CLASH, size: int = 1000
    ) -> Any:
        sealed = replace(shelf.sealed(facts(1), NO_STUDY, content), size=size)
        where = {"study_id": study, "department_id": department, "source": "x", "now": 5}
        asides.keep(shelf.tx, UID, clash, sealed, **where)
        return sealed

    return keep


def test_it_is_known_by_content_reason_and_department(shelf: Any, facts: Any, put: Any) -> None:
    place = shelf.add(facts(1))
    sealed = put("other", study=place.study_id, department=1)
    assert asides.is_kept(shelf.tx, UID, CLASH, sealed.digest, 1)
    assert not asides.is_kept(shelf.tx, UID, CLASH, sealed.digest, 2)
    assert not asides.is_kept(shelf.tx, UID, CLASH, bytes(32), 1)
    assert not asides.is_kept(shelf.tx, UID, Clash.OTHER_STUDY, sealed.digest, 1)
    assert not asides.is_kept(shelf.tx, "1.9", CLASH, sealed.digest, 1)


@pytest.mark.parametrize(
    ("readers", "shown"),
    [({1}, []), ({2}, [None]), ({1, 2}, ["1.2.3"]), ({3}, []), (set(), [])],
    ids=["the study's", "the sender's", "of both", "a third", "none"],
)
def test_between_two_departments_it_is_the_receiving_ones_and_the_study_is_not_shown(
    shelf: Any, facts: Any, put: Any, readers: set[int], shown: list[str | None]
) -> None:
    put("other", study=shelf.add(facts(1), department=1).study_id, department=2)
    rows, more = asides.page(
        shelf.connection, everything=False, departments=frozenset(readers), limit=10, offset=0
    )
    assert [row.study and row.study.study_instance_uid for row in rows] == shown
    assert not more


def test_who_sees_everything_sees_what_has_no_study_too(shelf: Any, facts: Any, put: Any) -> None:
    study = shelf.add(facts(1), department=1).study_id
    put("a", study=study, department=2)
    put("b", study=None, department=2, clash=Clash.UNREADABLE)
    rows, _ = asides.page(shelf.connection, everything=True, departments=frozenset(), limit=10, offset=0)
    assert [(row.reason, row.study is not None) for row in rows] == [
        ("unreadable", False),
        ("other-content", True),
    ]
    first, more = asides.page(shelf.connection, everything=True, departments=frozenset(), limit=1, offset=0)
    assert ([row.reason for row in first], more) == (["unreadable"], True)


def test_what_has_no_study_is_counted_with_the_least_it_may_take(shelf: Any, facts: Any, put: Any) -> None:
    assert asides.homeless_bytes(shelf.tx) == 0
    put("of a study", study=shelf.add(facts(1)).study_id, department=1, size=1 << 20)
    assert asides.homeless_bytes(shelf.tx) == 0
    put("small", study=None, department=1, size=1)
    put("large", study=None, department=1, size=1 << 20)
    assert asides.homeless_bytes(shelf.tx) == (1 << 16) + (1 << 20)


def test_rows_from_before_keep_the_key_of_their_study(shelf: Any, facts: Any, put: Any) -> None:
    study = shelf.add(facts(1)).study_id
    now = put("a", study=study, department=1)
    before = put("b", study=study, department=1)
    shelf.connection.execute(
        schema.kept_aside.update().where(schema.kept_aside.c.blob == before.blob).values(own_key=False)
    )
    held = lookup.holdings(shelf.connection, "kept_aside", after=0, limit=9)
    assert [holding.sealed for holding in held] == [now, replace(before, study_id=study)]
