"""A study list in parts, against model archives that stop, refuse, warn or fail at some number of studies."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadglass.transfer.listing import LEAST_CAP, Ended, Listing
from leadglass.transfer.migrate import _is_folded
from leadglass.transfer.windows import Window, roots

TODAY = date(2026, 3, 1)


@dataclass(frozen=True)
class Study:
    """What an archive matches on. `day` "" and `time` "": it has none."""

    uid: int
    day: str
    time: str
    patient: str


@dataclass(frozen=True)
class Archive:
    """Answers with `cap` studies at most; of more, as `manner` says."""

    studies: tuple[Study, ...]
    cap: int | None = None
    manner: str = "silent"  # silent: as if that were all; partial: and fails then; refuse: fails at once
    folds: bool = False  # patient IDs match whatever their letters' case

    def find(self, keys: dict[str, str]) -> tuple[list[Study], Ended]:
        found = [study for study in self.studies if matches(study, keys, self.folds)]
        if self.cap is None or len(found) <= self.cap:
            return found, Ended.WHOLE
        if self.manner == "refuse":
            return [], Ended.FAILED
        return found[: self.cap], Ended.WHOLE if self.manner == "silent" else Ended.FAILED


class Orthanc(Archive):
    """Stops at what its database finds, in which _ is a wildcard, and gives what of that really matches."""

    def find(self, keys: dict[str, str]) -> tuple[list[Study], Ended]:
        asked = keys.get("PatientID", "")
        candidates = [
            s for s in self.studies if matches(s, {**keys, "PatientID": asked.replace("_", "?")}, True)
        ]
        cut = self.cap is not None and len(candidates) > self.cap
        found = [study for study in candidates[: self.cap] if matches(study, keys, True)]
        return found, Ended.CUT if cut else Ended.WHOLE


def matches(study: Study, keys: dict[str, str], folds: bool = False) -> bool:
    """PS3.4 C.2.2.2 as far as windows use it: single values, ranges, wildcards."""
    for value, asked in (
        (study.day, keys.get("StudyDate", "")),
        (study.time, keys.get("StudyTime", "")),
    ):
        low, dash, high = asked.partition("-")
        if asked and not value:
            return False
        if dash and not (low <= value and (not high or value <= high)):
            return False
        if asked and not dash and value != asked:
            return False
    asked = keys.get("PatientID", "")
    held = study.patient
    if folds:
        held, asked = held.casefold(), asked.casefold()
    return not asked or fnmatchcase(held, asked.replace("[", "[[]"))


def answer(listing: Listing, window: Window, found: list[Study], ended: Ended) -> None:
    listing.answered(
        len(found),
        ended,
        untimed=sum(not study.time for study in found),
        folds=any(_is_folded(study.patient, window.prefix) for study in found),
    )


def list_all(archive: Archive, listing: Listing, most: int = 200_000, page: int = 10**9) -> set[Study]:
    seen: set[Study] = set()
    for _ in range(most):
        window = listing.window
        if window is None or listing.is_hopeless:
            return seen
        found, ended = archive.find(dict(window.keys()))
        if len(found) > page:
            found, ended = found[:page], Ended.CUT
        seen |= set(found)
        answer(listing, window, found, ended)
    raise AssertionError("does not end")


days = st.one_of(
    st.dates(date(1985, 1, 1), date(2027, 1, 1)),
    st.dates(date(2020, 1, 1), date(2020, 1, 5)),
    st.just(date(2020, 2, 2)),
).map(lambda day: day.strftime("%Y%m%d"))
times = st.one_of(st.just("120000"), st.times().map(lambda t: t.strftime("%H%M%S")), st.just("120000.500000"))
patients = st.one_of(
    st.text("AaB1-_", min_size=1, max_size=4), st.integers(0, 10**6).map(lambda n: f"P{n:07}")
)


@st.composite
def archives(draw: st.DrawFn, dated: bool = False) -> Archive:
    rows = draw(
        st.lists(
            st.tuples(days if dated else st.one_of(days, st.just("")), times, patients),
            max_size=60,
        )
    )
    copies = draw(st.integers(1, 3))
    studies = [Study(n, *row) for n, row in enumerate(rows * copies)]
    cap = draw(st.one_of(st.none(), st.integers(LEAST_CAP, 40)))
    if draw(st.booleans()):
        return Orthanc(tuple(studies), cap)
    return Archive(
        tuple(studies), cap, draw(st.sampled_from(["silent", "partial", "refuse"])), draw(st.booleans())
    )


@settings(max_examples=150, deadline=None)
@given(archives(), st.integers(5, 50))
def test_everything_is_found_or_it_is_said_that_it_may_not_be(archive: Archive, page: int) -> None:
    listing = Listing.of(roots(None, None, TODAY))
    seen = list_all(archive, listing, page=page)
    assert seen <= set(archive.studies)
    if not (listing.unsure or listing.failed):
        assert seen == set(archive.studies)


@settings(max_examples=100, deadline=None)
@given(archives(dated=True), st.dates(date(2019, 1, 1), date(2021, 1, 1)), st.integers(0, 400))
def test_between_two_days(archive: Archive, first: date, length: int) -> None:
    last = first + timedelta(days=length)
    listing = Listing.of(roots(first, last, TODAY))
    seen = list_all(archive, listing)
    wanted = {s for s in archive.studies if f"{first:%Y%m%d}" <= s.day <= f"{last:%Y%m%d}"}
    assert seen <= wanted
    if not (listing.unsure or listing.failed):
        assert seen == wanted


@settings(max_examples=50, deadline=None)
@given(archives(), st.integers(0, 100))
def test_going_on_after_a_stop_asks_what_was_left(archive: Archive, stop: int) -> None:
    straight = Listing.of(roots(None, None, TODAY))
    everything = list_all(archive, straight)
    listing, seen = Listing.of(roots(None, None, TODAY)), set()
    for _ in range(stop):
        window = listing.window
        if window is None or listing.is_hopeless:
            break
        found, ended = archive.find(dict(window.keys()))
        seen |= set(found)
        answer(listing, window, found, ended)
    listing = Listing.from_json(json.loads(json.dumps(listing.to_json())))
    seen |= list_all(archive, listing)
    assert seen == everything
    assert listing == straight


def many(
    count: int, day: str = "20200101", time: str = "120000", patient: str = "P{n:05}"
) -> tuple[Study, ...]:
    return tuple(Study(n, day, time, patient.format(n=n)) for n in range(count))


@pytest.mark.parametrize("manner", ["silent", "partial", "refuse"])
@pytest.mark.parametrize(
    "studies",
    [
        many(120),
        many(120, time=""),
        many(120, day=""),
        tuple(replace(s, day=f"2020{1 + s.uid % 12:02}{1 + s.uid % 28:02}", time="") for s in many(120)),
        tuple(replace(s, time=f"{s.uid % 24:02}{s.uid % 60:02}00") for s in many(120)),
    ],
    ids=["one moment", "one day, no times", "no dates", "a year, no times", "one day"],
)
def test_archives_that_stop_at_twenty(manner: str, studies: tuple[Study, ...]) -> None:
    others = (Study(1000, "20200303", "12", "X"), Study(1001, "20200304", "12", "X"))
    studies += others
    listing = Listing.of(roots(None, None, TODAY))
    assert list_all(Archive(studies, 20, manner), listing) == set(studies)
    assert not listing.unsure
    assert len(listing.failed) == (
        manner != "silent" and studies[0].time == "120000" and bool(studies[0].day)
    )


def test_an_archive_that_does_not_mind_the_case_is_not_asked_twice_for_each_letter() -> None:
    studies = many(120, day="", patient="PATIENT{n:03}")
    listing, other = (Listing.of([Window()], cap=20) for _ in range(2))
    assert list_all(Archive(studies, 20, folds=True), listing) == set(studies)
    assert list_all(Archive(studies, 20), other) == set(studies)
    assert listing.folds and not other.folds
    assert listing.asked < 1.2 * other.asked


def test_a_wildcard_of_the_database_leads_nowhere() -> None:
    studies = many(60, day="", patient="PAT{n:03}")
    listing = Listing.of([Window()])
    assert list_all(Orthanc(studies, 20), listing) == set(studies)
    assert listing.asked < 3000
    assert {window.prefix[-1] for window in listing.unsure} == {"_"}


def test_studies_that_nothing_tells_apart_are_said_to_be_unsure() -> None:
    studies = many(30, patient="SAME")
    listing = Listing.of(roots(None, None, TODAY))
    assert len(list_all(Archive(studies, 20), listing)) == 20
    assert listing.unsure


def test_an_archive_that_does_not_stop_is_asked_little_more_than_once() -> None:
    studies = tuple(
        Study(n, (date(2000, 1, 1) + timedelta(days=n * 5)).strftime("%Y%m%d"), "12", f"P{n}")
        for n in range(1500)
    )
    listing = Listing.of(roots(None, None, TODAY)[:3])
    assert list_all(Archive(studies), listing) == set(studies)
    assert listing.asked <= 10


def test_a_known_cap_spares_asking_twice() -> None:
    studies = many(15, time="")
    told, untold = Listing.of([Window(date.min, TODAY)], cap=100), Listing.of([Window(date.min, TODAY)])
    assert list_all(Archive(studies, 100), told) == list_all(Archive(studies, 100), untold)
    assert told.asked == 1 < untold.asked


def test_an_archive_that_always_fails_is_given_up() -> None:
    class Broken(Archive):
        def find(self, keys: dict[str, str]) -> tuple[list[Study], Ended]:
            return [], Ended.FAILED

    listing = Listing.of(roots(None, None, TODAY))
    list_all(Broken(()), listing)
    assert listing.is_hopeless
    assert listing.asked < 100


def test_a_day_that_is_cut_is_split_by_time() -> None:
    listing = Listing.of([Window(TODAY, TODAY)])
    listing.answered(500, Ended.CUT)
    assert [dict(window.keys()) for window in reversed(listing.pending)] == [
        {"StudyDate": "20260301", "StudyTime": "000000-115959.999999"},
        {"StudyDate": "20260301", "StudyTime": "120000-235959.999999"},
    ]
    assert listing.timed_days == 1


@pytest.mark.parametrize(
    ("window", "keys", "said"),
    [
        (Window(), {}, "all days"),
        (Window(date.min, date(1989, 12, 31)), {"StudyDate": "-19891231"}, "… to 1989-12-31"),
        (Window(date(2026, 3, 2), date.max), {"StudyDate": "20260302-"}, "2026-03-02 to …"),
        (Window(TODAY, TODAY), {"StudyDate": "20260301"}, "2026-03-01"),
        (Window(prefix="Rö"), {"PatientID": "Rö*"}, "no date, some patient IDs"),
        (Window(TODAY, TODAY, prefix="R", exact=True), {"StudyDate": "20260301", "PatientID": "R"},
         "2026-03-01, some patient IDs"),
    ],
)  # fmt: skip
def test_the_keys_of_a_window(window: Window, keys: dict[str, str], said: str) -> None:
    assert window.keys() == keys
    assert str(window) == said
    assert Window.from_row(json.loads(json.dumps(window.to_row()))) == window


@given(st.dates(), st.dates(), st.integers(0, 86399), st.integers(0, 86399))
def test_halves_join_and_do_not_overlap(a: date, b: date, s: int, t: int) -> None:
    window = Window(min(a, b), max(a, b))
    if window.is_of_one_day:
        window = replace(window, begin=min(s, t), end=max(s, t))
    if window.first == window.last and window.begin == window.end:
        return
    left, right = window.split() if window.is_of_one_day else reversed(window.split())
    if window.is_of_one_day:
        assert (left.begin, right.end, left.end + 1) == (window.begin, window.end, right.begin)
    else:
        assert (left.first, right.last) == (window.first, window.last)
        assert left.last + timedelta(days=1) == right.first
