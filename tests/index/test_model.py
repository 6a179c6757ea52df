"""Random studies, random queries: the SQL finds what a naive reading of PS3.4 C.2.2.2 finds. On both databases."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadglass.access.policy import Action, Resource, decide, narrow
from leadglass.access.principal import Context, Kind, Principal, Role, Via
from leadglass.dicom.values import fold
from leadglass.index import candidates, lookup
from leadglass.index.facts import ObjectFacts
from leadglass.index.order import place
from leadglass.index.query import Level, Query, parse_item, parse_match

NAMES = (
    "ROTH^ANNA", "Roth^Hannah", "röth^Anna^^Dr.", "MÜLLER^JÖRG", "Straße^Otto", "O'Neil^Anne-Marie", "Ng", "",
    "Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Hanako=山田^花子", "=山田^太郎", "A_B^C%D", "AXB^CYD", "ANN^",
)  # fmt: skip
PATIENT_IDS = ("", "1", "01", "A_1", "A%1", "AB1", "ab1", "A\\1", "A1")
DATES = ("", "19991231", "20250101", "20250615", "20260131")
TIMES = ("", "000000", "093000", "093059.5", "095959", "134501.250000", "235959")
MODALITIES = ("CT", "MR", "SR", "CTX", "")
CLASSES = ("1.2.1", "1.2.11", "1.2.2")
STUDIES = st.builds(
    dict,
    patient_name=st.sampled_from(NAMES),
    patient_id=st.sampled_from(PATIENT_IDS),
    referring_physician=st.sampled_from(NAMES[:5]),
    classes=st.lists(st.sampled_from(CLASSES), min_size=1, max_size=3),
    requests=st.lists(
        st.tuples(st.sampled_from(("", "R1", "R2")), st.sampled_from(("", "S1", "S2"))), max_size=3
    ),
    issuer=st.sampled_from(("", "H1")),
    birth_date=st.sampled_from(DATES),
    study_date=st.sampled_from(DATES),
    study_time=st.sampled_from(TIMES),
    accession_number=st.sampled_from(("", "77", "A77B", "a77b")),
    study_description=st.sampled_from(("", "Thorax", "CT Thorax 1%", "thorax")),
    modalities=st.lists(st.sampled_from(MODALITIES), min_size=1, max_size=3),
    department=st.integers(1, 3),
)
_PIECES = st.sampled_from(
    ("*", "?", "a", "n", "ann", "roth^", "RO", "山", "太", "=", "^", "ü", "_", "%", "1", "\\", " ")
)
PATTERNS = st.lists(_PIECES, max_size=4).map("".join)
DATE_KEYS = st.one_of(
    st.sampled_from(DATES),
    st.tuples(st.sampled_from(DATES), st.sampled_from(DATES)).map("-".join).filter(lambda text: text != "-"),
)
_TIME_KEY = ("00", "09", "0930", "093000", "093059.5", "1345", "13450125"[:6], "23")
TIME_KEYS = st.one_of(
    st.sampled_from(_TIME_KEY),
    st.tuples(st.sampled_from(("", *_TIME_KEY)), st.sampled_from(("", *_TIME_KEY)))
    .map("-".join)
    .filter(lambda text: text != "-"),
)
KEYS: dict[str, st.SearchStrategy[str]] = {
    "PatientName": st.one_of(st.sampled_from([name for name in NAMES if name]), PATTERNS),
    "PatientID": st.one_of(st.sampled_from([value for value in PATIENT_IDS if value]), PATTERNS),
    "IssuerOfPatientID": st.sampled_from(("H1", "H?", "*2")),
    "AccessionNumber": st.sampled_from(("77", "*77*", "a77?", "A*", "none")),
    "StudyDescription": st.sampled_from(("Thorax", "*horax*", "*1%", "?horax")),
    "PatientBirthDate": DATE_KEYS,
    "StudyDate": DATE_KEYS,
    "StudyTime": TIME_KEYS,
    "ModalitiesInStudy": st.sampled_from(("CT", "SR", "C?", "*", "X", "CT*", "CT\\SR", "MR\\X")),
    "SOPClassesInStudy": st.sampled_from(("1.2.1", "1.2.11\\1.2.2", "1.2", "9.9")),
    "ReferringPhysicianName": st.one_of(st.sampled_from(NAMES[:5]), PATTERNS),
    "StudyInstanceUID": st.sampled_from(("1.5.0", "1.5.1\\1.5.3", "1.5.2,1.5.0,1.5.99", "9.9")),
}
PATIENT_KEYS = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate")
FIELDS = {
    "PatientName": "patient_name", "ReferringPhysicianName": "referring_physician", "PatientID": "patient_id", "IssuerOfPatientID": "issuer",
    "AccessionNumber": "accession_number", "StudyDescription": "study_description",
    "PatientBirthDate": "birth_date", "StudyDate": "study_date", "StudyTime": "study_time",
}  # fmt: skip


@dataclass(slots=True)
class Asked:
    keys: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    is_moment: bool = False


def some_of(names: Any) -> st.SearchStrategy[dict[str, str]]:
    return st.lists(st.sampled_from(sorted(names)), max_size=3, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: KEYS[name] for name in chosen})
    )


QUERIES = st.builds(
    Asked,
    some_of(KEYS),
    st.lists(
        st.sampled_from(("a", "ann", "Anna", "roth", "RÖ", "山", "neil", "marie", "x", "た")), max_size=2
    ).map(tuple),
)

OF_PATIENTS = st.builds(Asked, some_of(PATIENT_KEYS))
_ENDS = st.tuples(st.booleans(), st.booleans()).filter(any)
MOMENTS = st.builds(
    lambda ends, days, times, keys: Asked(
        keys | {
            "StudyDate": "-".join(day if end else "" for end, day in zip(ends, sorted(days), strict=True)),
            "StudyTime": "-".join(time if end else "" for end, time in zip(ends, times, strict=True)),
        },
        is_moment=True,
    ),
    _ENDS,
    st.tuples(st.sampled_from(DATES[1:]), st.sampled_from(DATES[1:])),
    st.tuples(st.sampled_from(_TIME_KEY), st.sampled_from(_TIME_KEY)),
    some_of(("PatientID", "ModalitiesInStudy", "PatientName")),
)  # fmt: skip

# --- the naive model --------------------------------------------------------------------------------------


def like(pattern: str, text: str) -> bool:
    """C.2.2.2.4: `*` any sequence, `?` any one character, everything else itself."""
    spelt = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(spelt, text, re.DOTALL) is not None


def groups(name: str) -> list[str]:
    found = [re.sub(r"[\^ ]+$", "", group) for group in fold(name).split("=")]
    while len(found) > 1 and not found[-1]:
        found.pop()
    return found


def name_matches(asked: str, name: str) -> bool:
    pattern, stored = "=".join(groups(asked)), groups(name)
    if "=" in pattern:
        return like(pattern, "=".join(stored))
    starts = [0] if pattern.isascii() else range(len(stored))
    runs = ("=".join(stored[i:j]) for i in starts for j in range(i + 1, len(stored) + 1))
    return any(like(pattern, run) for run in runs)


def seconds(time: str, *, last: bool) -> float:
    """The first or the last moment that a time stands for."""
    whole, _, fraction = time.partition(".")
    parts = [int(whole[i : i + 2]) for i in range(0, len(whole), 2)]
    missing = [59, 59] if last else [0, 0]
    hours, minutes, second = (parts + missing[len(parts) - 1 :])[:3]
    digits = (fraction or ("9" if last and not fraction else "0")).ljust(6, "9" if last else "0")
    return hours * 3600 + minutes * 60 + second + int(digits[:6]) / 1e6


def time_matches(asked: str, time: str) -> bool:
    if not time:
        return False
    low, dash, high = asked.partition("-")
    if not dash:
        high = low
    moment = seconds(time, last=False)
    return (not low or moment >= seconds(low, last=False)) and (
        not high or moment <= seconds(high, last=True)
    )


def date_matches(asked: str, date: str) -> bool:
    if "-" not in asked:
        return date == asked
    low, high = asked.split("-")
    return bool(date) and (not low or date >= low) and (not high or date <= high)


def matches(keyword: str, asked: str, study: dict[str, Any]) -> bool:
    asked = asked.strip(" ")
    if asked == "" or set(asked) == {"*"}:  # C.2.2.2.3 universal matching
        return True
    if keyword == "StudyInstanceUID":
        return study["uid"] in re.split(r"[\\,]", asked)
    if keyword == "ModalitiesInStudy":
        return any(
            like(one, modality) for modality in study["modalities"] if modality for one in asked.split("\\")
        )
    if keyword == "SOPClassesInStudy":
        return any(uid in asked.split("\\") for uid in study["of"])
    value = study[FIELDS[keyword]]
    if keyword.endswith("Name"):
        return name_matches(asked, value)
    if keyword == "StudyTime":
        return time_matches(asked, value)
    return date_matches(asked, value) if keyword.endswith("Date") else like(asked, value)


def moment_matches(asked: Asked, study: dict[str, Any]) -> bool:
    """C.2.2.2.5.4; without a time the day decides."""
    day, time = study["study_date"], study["study_time"]
    low_day, high_day = asked.keys["StudyDate"].split("-")
    low, high = asked.keys["StudyTime"].split("-")
    if not day or not time:
        return date_matches(asked.keys["StudyDate"], day)
    moment = day, seconds(time, last=False)
    return (not low_day or moment >= (low_day, seconds(low, last=False))) and (
        not high_day or moment <= (high_day, seconds(high, last=True))
    )


def has_words(words: tuple[str, ...], name: str) -> bool:
    stored = re.split(r"[\^=\s,.;'’-]+", fold(name))
    return all(any(word.startswith(fold(asked)) for word in stored if word) for asked in words)


def found_by(
    asked: Asked, departments: frozenset[int], studies: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    alone = {k: v for k, v in asked.keys.items() if not (asked.is_moment and k in ("StudyDate", "StudyTime"))}
    found = [
        study
        for study in studies
        if study["department"] in departments
        and has_words(asked.words, study["patient_name"])
        and all(matches(keyword, value, study) for keyword, value in alone.items())
        and (not asked.is_moment or moment_matches(asked, study))
    ]
    found.sort(key=lambda study: (study["study_date"], study["study_time"], study["number"]), reverse=True)
    return found


def expected(asked: Asked, departments: frozenset[int], studies: list[dict[str, Any]]) -> list[str]:
    return [study["uid"] for study in found_by(asked, departments, studies)]


def expected_patients(
    asked: Asked, departments: frozenset[int], studies: list[dict[str, Any]]
) -> list[tuple[str, int, int, int]]:
    """The newest study found of each patient, and how many studies, series and instances were found."""
    of: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for study in found_by(asked, departments, studies):
        if study["patient_id"]:
            of.setdefault((study["patient_id"], study["issuer"]), []).append(study)
    return [
        (theirs[0]["uid"], len(theirs), *2 * (sum(len(study["modalities"]) for study in theirs),))
        for theirs in of.values()
    ]


# --- against the index ------------------------------------------------------------------------------------


def fill(shelf: Any, studies: list[dict[str, Any]]) -> None:
    for number, study in enumerate(studies):
        study.update(uid=f"1.5.{number}", number=number)
        same = {key: value for key, value in study.items() if key in ObjectFacts.__dataclass_fields__}
        same["requests"] = tuple(study["requests"])
        for series, modality in enumerate(study["modalities"]):
            uid = f"1.5.{number}.{series}"
            sop_class = study["classes"][series % len(study["classes"])]
            study.setdefault("of", set()).add(sop_class)
            made = ObjectFacts(f"{uid}.1", sop_class, study["uid"], uid, modality=modality, **same)
            shelf.add(made, study["department"])
    shelf.seal()


def query_of(asked: Asked, level: Level = Level.STUDY, **paging: Any) -> Query:
    found = {keyword: parse_match(Level.INSTANCE, keyword, value) for keyword, value in asked.keys.items()}
    match = tuple((k, m) for k, m in found.items() if m is not None)
    return Query(level, match, asked.words, moments=("StudyDate",) if asked.is_moment else (), **paging)


def paged(shelf: Any, query: Query, departments: frozenset[int], limit: int) -> list[Any]:
    """All rows, each page from where the last one ended."""
    seen: list[Any] = []
    more = True
    while more:
        after = place(seen[-1]) if seen else ()
        rows, more = lookup.page(
            shelf.connection,
            replace(query, limit=limit, after=after),
            everything=False,
            departments=departments,
            posters=False,
        )
        assert len(rows) == limit or not more
        seen += rows
        assert len(seen) <= 1000, "it does not end"
    return seen


DEPARTMENTS = st.frozensets(st.integers(1, 3))
FAST = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))


@FAST
@given(
    studies=st.lists(STUDIES, max_size=8),
    asked=st.lists(st.one_of(QUERIES, MOMENTS), min_size=1, max_size=6),
    departments=DEPARTMENTS,
    few=st.sampled_from((0, 2, 500)),
)
def test_the_index_finds_what_the_standard_says(
    index: Any, studies: list[dict[str, Any]], asked: list[Asked], departments: frozenset[int], few: int
) -> None:
    """Whether one condition leaves few studies or none does."""
    with (
        index.fresh() as shelf,
        patch.object(candidates, "FEW", few),
        patch.object(candidates, "SEVERAL", few + 2),
    ):
        fill(shelf, studies)
        for one in asked:
            query = query_of(one, limit=100)
            rows, more = lookup.page(shelf.connection, query, everything=False, departments=departments)
            assert [row.study_instance_uid for row in rows] == expected(one, departments, studies), one
            assert not more


@FAST
@given(
    studies=st.lists(STUDIES, min_size=1, max_size=10),
    asked=QUERIES,
    limit=st.integers(1, 4),
    few=st.sampled_from((0, 500)),
)
def test_pages_are_a_partition(
    index: Any, studies: list[dict[str, Any]], asked: Asked, limit: int, few: int
) -> None:
    everyone = frozenset({1, 2, 3})
    with index.fresh() as shelf, patch.object(candidates, "FEW", few):
        fill(shelf, studies)
        seen, more, offset = [], True, 0
        while more:
            query = query_of(asked, limit=limit, offset=offset)
            rows, more = lookup.page(shelf.connection, query, everything=False, departments=everyone)
            assert len(rows) == limit or not more
            seen += [row.study_instance_uid for row in rows]
            offset += limit
        assert seen == expected(asked, everyone, studies)


@FAST
@given(
    studies=st.lists(STUDIES, max_size=10),
    asked=st.lists(OF_PATIENTS, min_size=1, max_size=4),
    departments=DEPARTMENTS,
    limit=st.integers(1, 4),
    few=st.sampled_from((0, 2, 500)),
)
def test_patients_are_found_by_their_studies(
    index: Any,
    studies: list[dict[str, Any]],
    asked: list[Asked],
    departments: frozenset[int],
    limit: int,
    few: int,
) -> None:
    """Only those that may be seen: of a patient of two departments each sees and counts its own."""
    with index.fresh() as shelf, patch.object(candidates, "FEW", few):
        fill(shelf, studies)
        for one in asked:
            rows = paged(shelf, query_of(one, Level.PATIENT), departments, limit)
            assert [
                (row.study.study_instance_uid, row.study_count, row.series_count, row.instance_count)
                for row in rows
            ] == expected_patients(one, departments, studies), one


@FAST
@given(
    studies=st.lists(STUDIES, min_size=1, max_size=8),
    asked=st.one_of(QUERIES, MOMENTS),
    level=st.sampled_from((Level.STUDY, Level.SERIES, Level.INSTANCE)),
    limit=st.integers(1, 4),
    few=st.sampled_from((0, 500)),
)
def test_pages_by_place_are_the_same_rows(
    index: Any, studies: list[dict[str, Any]], asked: Asked, level: Level, limit: int, few: int
) -> None:
    everyone = frozenset({1, 2, 3})
    with index.fresh() as shelf, patch.object(candidates, "FEW", few):
        fill(shelf, studies)
        query = query_of(asked, level, limit=100)
        whole, _ = lookup.page(shelf.connection, query, everything=False, departments=everyone, posters=False)
        assert paged(shelf, query, everyone, limit) == whole
        if level is not Level.STUDY:
            uids = [
                (row.study if level is Level.SERIES else row.series.study).study_instance_uid for row in whole
            ]
            assert set(uids) == set(expected(asked, everyone, studies))
            assert len(uids) == sum(len(study["modalities"]) for study in found_by(asked, everyone, studies))


@FAST
@given(
    studies=st.lists(STUDIES, min_size=1, max_size=6),
    asked=st.dictionaries(
        st.sampled_from(("RequestedProcedureID", "ScheduledProcedureStepID")),
        st.sampled_from(("R1", "S1", "R?", "S*", "", "*", "2")),
    ),
    level=st.sampled_from((Level.SERIES, Level.INSTANCE)),
)
def test_one_item_has_all_that_is_asked_of_a_sequence(
    index: Any, studies: list[dict[str, Any]], asked: dict[str, str], level: Level
) -> None:
    def fitting(study: dict[str, Any]) -> list[tuple[str, str]]:
        first, second = (asked.get(n, "") for n in ("RequestedProcedureID", "ScheduledProcedureStepID"))
        return [
            (procedure, step)
            for procedure, step in study["requests"]
            if like(first or "*", procedure) and like(second or "*", step)
        ]

    found = parse_item("RequestAttributesSequence", asked)
    query = Query(level, (("RequestAttributesSequence", found),) if found else (), limit=100)
    with index.fresh() as shelf:
        fill(shelf, studies)
        rows, _ = lookup.page(shelf.connection, query, everything=True, departments=frozenset())
    series = [row if level is Level.SERIES else row.series for row in rows]
    told = {
        row.series_instance_uid: [(r.requested_procedure_id, r.scheduled_step_id) for r in row.requests]
        for row in series
    }
    assert told == {
        f"{study['uid']}.{at}": fitting(study)
        for study in studies
        for at in range(len(study["modalities"]))
        if found is None or fitting(study)
    }


PRINCIPALS = st.builds(
    lambda kind, role, departments, actions: Principal(kind, 3, 3, "n", "N", role, departments, "c", actions),
    st.sampled_from(Kind),
    st.sampled_from(Role),
    DEPARTMENTS,
    st.none() | st.frozensets(st.sampled_from(Action)),
)


@FAST
@given(
    studies=st.lists(STUDIES, max_size=8),
    asked=QUERIES,
    who=PRINCIPALS,
    via=st.sampled_from(Via),
    level=st.sampled_from((Level.STUDY, Level.SERIES, Level.INSTANCE)),
    few=st.sampled_from((0, 500)),
)
def test_a_list_shows_exactly_what_the_policy_allows(
    index: Any, studies: list[dict[str, Any]], asked: Asked, who: Principal, via: Via, level: Level, few: int
) -> None:
    """Promise 6 of the design, on every level (of patients the model says it): rows selected = rows for which `decide` says yes."""
    context = Context("", via, 0)
    narrowing = narrow(who, Action.STUDY_SEARCH, context)

    def rows_of(everything: bool, departments: frozenset[int]) -> list[Any]:
        query = Query(level, query_of(asked).match, asked.words, limit=100)
        return lookup.page(shelf.connection, query, everything=everything, departments=departments)[0]

    def department_of(row: Any) -> int:
        study = {
            Level.STUDY: lambda: row,
            Level.SERIES: lambda: row.study,
            Level.INSTANCE: lambda: row.series.study,
        }
        return int(study[level]().department_id)

    with index.fresh() as shelf, patch.object(candidates, "FEW", few):
        fill(shelf, studies)
        allowed = [
            row.id
            for row in rows_of(True, frozenset())
            if decide(who, Action.STUDY_SEARCH, Resource(department_of(row)), context).allowed
        ]
        assert [row.id for row in rows_of(narrowing.everything, narrowing.departments)] == allowed
