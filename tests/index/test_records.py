"""Which rows an object makes, and what they then count. On both databases."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.index import asides, lookup, records, schema
from leadglass.index.fitting import Clash
from leadglass.index.matching import Level, Query
from leadglass.index.names import name_key, name_words
from leadglass.index.records import Place
from leadglass.index.rows import NO_STUDY, RequestRow


def studies(shelf: Any) -> list[Any]:
    rows, _ = lookup.page(shelf.connection, Query(Level.STUDY), everything=True, departments=frozenset())
    return rows


def test_one_study_counts_its_series_and_instances(shelf: Any, facts: Any) -> None:
    for number in (1, 2, 3):
        shelf.add(facts(number))
    shelf.add(facts(1, series_instance_uid="1.2.3.2", modality="SR"))
    shelf.seal()
    [study] = studies(shelf)
    assert (study.series_count, study.instance_count, study.modalities) == (2, 4, ("CT", "SR"))
    assert shelf.rows(schema.series, "series_instance_uid", "instance_count") == [
        ("1.2.3.1", 3),
        ("1.2.3.2", 1),
    ]
    assert shelf.rows(schema.study_modalities, "modality", "study_id") == [("CT", study.id), ("SR", study.id)]


def test_counts_grow_from_group_to_group(shelf: Any, facts: Any) -> None:
    for number in range(1, 6):
        shelf.add(facts(number))
        shelf.seal()
    [study] = studies(shelf)
    assert (study.series_count, study.instance_count) == (1, 5)


def test_a_study_lists_its_sop_classes_from_group_to_group(shelf: Any, facts: Any) -> None:
    for number, sop_class in enumerate(("1.9", "1.2", "1.9", "1.10")):
        shelf.add(facts(number, sop_class_uid=sop_class))
        if number == 1:
            shelf.seal()
    shelf.seal()
    [study] = studies(shelf)
    assert study.sop_classes == ("1.10", "1.2", "1.9")


def test_sop_classes_that_fit_no_more_are_not_listed(shelf: Any, facts: Any) -> None:
    uids = [f"1.{number}.".ljust(64, "9") for number in range(100)]
    for number, sop_class in enumerate(uids):
        shelf.add(facts(number, sop_class_uid=sop_class))
    shelf.seal()
    [study] = studies(shelf)
    assert study.instance_count == 100
    assert study.sop_classes == tuple(sorted(uids[: records.MAX_SOP_CLASSES // 65]))


def test_a_series_has_its_requests_and_its_performed_step(shelf: Any, facts: Any) -> None:
    shelf.add(facts(1, requests=(("R1", "S1"), ("", "S2")), performed_date="20260130", performed_time="0930"))
    shelf.add(facts(2, requests=(("other", "one"),)))  # the first object of a series speaks for it
    shelf.add(facts(1, series_instance_uid="1.2.3.2"))
    shelf.seal()
    rows, _ = lookup.page(shelf.connection, Query(Level.SERIES), everything=True, departments=frozenset())
    assert [(row.performed_date, row.performed_time) for row in rows] == [("20260130", "0930"), ("", "")]
    assert [row.requests for row in rows] == [(RequestRow("R1", "S1"), RequestRow("", "S2")), ()]


def test_the_referring_physician_is_folded_too(shelf: Any, facts: Any) -> None:
    shelf.add(facts(1, referring_physician="BÄR^Jörg^^Dr."))
    shelf.seal()
    assert shelf.rows(schema.studies, "referring_key") == [("bar^jorg^^dr.",)]


def test_within_a_group_only_the_first_object_of_a_study_makes_rows(shelf: Any, facts: Any) -> None:
    places = [shelf.add(facts(number)) for number in (1, 2, 3)]
    assert [place.is_new_study for place in places] == [True, False, False]
    assert len({place.study_id for place in places}) == 1
    shelf.seal()
    assert not shelf.add(facts(4)).is_new_study


def test_one_patient_id_of_two_issuers_is_two_patients(shelf: Any, facts: Any) -> None:
    for number, issuer in enumerate(("", "A", "B", "A")):
        shelf.add(facts(1, study_instance_uid=f"1.{number}", issuer=issuer))
    assert shelf.rows(schema.patients, "issuer", "patient_id") == [("", "P-1"), ("A", "P-1"), ("B", "P-1")]


def test_without_a_patient_id_nothing_says_that_two_studies_are_of_one_person(shelf: Any, facts: Any) -> None:
    for study in ("1.1", "1.2"):
        shelf.add(facts(1, study_instance_uid=study, patient_id=""))
        assert isinstance(shelf.add(facts(2, study_instance_uid=study, patient_id="")), Place)
    assert shelf.rows(schema.patients, "patient_id", "anchor") == [("", "1.1"), ("", "1.2")]


def test_the_poster_of_a_series_is_from_its_middle(shelf: Any, facts: Any) -> None:
    for number in (5, 1, 3, 2, 4):
        shelf.add(facts(number))
    shelf.seal()
    [series], _ = lookup.page(shelf.connection, Query(Level.SERIES), everything=True, departments=frozenset())
    assert lookup.instance(shelf.connection, series.poster).number == 3


def test_images_without_a_number_come_first_on_every_database(shelf: Any, facts: Any) -> None:
    for number, instance_number in ((1, 7), (2, None), (3, -1), (4, None)):
        shelf.add(facts(number, instance_number=instance_number))
    shelf.seal()
    rows, _ = lookup.page(shelf.connection, Query(Level.INSTANCE), everything=True, departments=frozenset())
    assert [row.number for row in rows] == [None, None, -1, 7]


def test_totals_and_holdings_name_every_object_once(shelf: Any, facts: Any) -> None:
    places = [shelf.add(facts(number)) for number in range(1, 8)]
    sealed = shelf.sealed(facts(1), NO_STUDY, "other")
    study = places[0].study_id
    asides.keep(
        shelf.tx, "1.2", Clash.OTHER_CONTENT, sealed, study_id=study, department_id=1, source="x", now=5
    )
    shelf.seal()
    totals = lookup.totals(shelf.connection)
    assert {k: totals[k] for k in ("patients", "studies", "series", "instances", "kept_aside", "bytes")} == {
        "patients": 1, "studies": 1, "series": 1, "instances": 7, "kept_aside": 1, "bytes": 7000,
    }  # fmt: skip
    seen, after = [], 0
    while batch := lookup.holdings(shelf.connection, "instances", after=after, limit=3):
        seen += [holding.sealed.blob for holding in batch]
        after = batch[-1].id
    assert len(seen) == len(set(seen)) == 7
    assert [h.sealed for h in lookup.holdings(shelf.connection, "kept_aside", after=0, limit=9)] == [sealed]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ROTH^ANNA", "roth^anna"),
        ("Roth^Anna^^Dr.^ ", "roth^anna^^dr."),
        ("MÜLLER^Jörg^^^", "muller^jorg"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "yamada^tarou=山田^太郎=やまだ^たろう"),
        ("Yamada^^=山田^=", "yamada=山田"),
        ("=山田^太郎", "=山田^太郎"),
        ("Straße", "strasse"),
        ("", ""),
    ],
)
def test_name_keys(name: str, key: str) -> None:
    assert name_key(name) == key


def test_name_words_are_of_all_groups_and_bounded() -> None:
    assert name_words("O'Neil^Anne-Marie, Dr.=山田^太郎") == {
        "o",
        "neil",
        "anne",
        "marie",
        "dr",
        "山田",
        "太郎",
    }
    assert name_words("x" * 400) == {"x" * 64}
    assert name_words(" ^ = ") == set()
