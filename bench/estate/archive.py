"""Made-up archives: when their studies were made, of whom, and which of them a query is about.

A study is its place in the order of time. What is kept of it is the moment and the modality; everything else
follows from its place, so that an archive of 60,000 studies holds half a megabyte.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from estate import markers

ROOT: Final = "1.2.826.0.1.3680043.10.1561"  # under a root for made-up data
MODALITIES: Final = ("CT", "MR", "CR", "DX", "US", "MG", "XA", "NM")
FIRST: Final = date(2009, 1, 1)
DAYS: Final = 3_895  # until August 2019
_MOMENT: Final = 1_000_000  # a moment is YYYYMMDDHHMMSS; this much of it is the time
_MOST_UIDS: Final = 1_000

Found = Sequence[int]


@dataclass(frozen=True, slots=True)
class Holding:
    """How much an archive holds. `undated` of its studies have no date; `burst` of them were made on one day,
    at one and the same moment where `frozen`. A `hollow` one pretends: whatever it is asked, it has it all."""

    studies: int
    people: int = 0
    images: int = 0  # in all studies together, about
    undated: int = 0
    burst: int = 0
    frozen: bool = False
    hollow: bool = False


class Archive:
    """`number` is from 0 to 89,999; the same number, seed and holding give the same archive."""

    def __init__(self, number: int, holding: Holding, seed: int = 0) -> None:
        self.number = 10_000 + number  # of five digits: everything that is made of it has one length
        self.holding = holding
        self.studies = holding.studies
        self.dated = 0 if holding.hollow else holding.studies - holding.undated
        self.people = min(holding.people or max(1, holding.studies * 3 // 5), max(1, holding.studies))
        self._mean = max(1, holding.images // holding.studies) if holding.studies and holding.images else 30
        self.moments, self.modalities = _made(self.dated, holding, Random(f"{seed}/{number}"))
        self.uid_root = f"{ROOT}.{self.number}."

    # --- what is known of a study -------------------------------------------------------------------------

    def images_of(self, study: int) -> int:
        if self.holding.hollow:
            return 999_999
        spread = 2 * (self._mean // 2) + 1
        return self._mean - spread // 2 + (study * 7_919) % spread

    @property
    def images(self) -> int:
        return sum(map(self.images_of, range(self.studies)))

    def modality_of(self, study: int) -> str:
        return MODALITIES[self.modalities[study]] if study < self.dated else MODALITIES[study % 8]

    def moment_of(self, study: int) -> int | None:
        """None for a study without a date. Those of a hollow archive will be made long from now."""
        if self.holding.hollow:
            return 20991231 * _MOMENT
        return self.moments[study] if study < self.dated else None

    def person_of(self, study: int) -> int:
        return study % self.people

    def patient_id(self, person: int) -> str:
        return f"{markers.PATIENT_ID}{self.number}P{person:07d}"

    def patient_name(self, person: int) -> str:
        return f"{markers.NAME}^A{self.number}P{person:07d}"

    def accession(self, study: int) -> str:
        return f"{markers.ACCESSION}{study:09d}"

    def uid(self, study: int) -> str:
        return f"{self.uid_root}{10_000_000 + study}"

    # --- what is asked ------------------------------------------------------------------------------------

    def matching(self, keys: Mapping[str, str]) -> Found:
        """The studies that all of the keys match (PS3.4 C.2.2.2); those it does not know match anything."""
        found: Found = range(self.studies)
        if self.holding.hollow:
            return found
        for keyword, narrow in _NARROWING.items():
            if (value := keys.get(keyword, "")) and value != "*":
                found = narrow(self, found, value)
        return found

    def matching_people(self, keys: Mapping[str, str]) -> Found:
        found: Found = range(self.people if self.studies else 0)
        for keyword, naming in (("PatientID", self.patient_id), ("PatientName", self.patient_name)):
            if value := keys.get(keyword, ""):
                fits = _wild(value)
                found = [person for person in found if fits(naming(person))]
        return found


def _made(count: int, holding: Holding, chance: Random) -> tuple[array[int], array[int]]:
    """Moments in their order, and a modality for each."""
    days = [chance.randrange(DAYS) for _ in range(count - holding.burst)]
    days += [DAYS // 2] * holding.burst if count else []
    moments = []
    for place, day in enumerate(days):
        made = FIRST + timedelta(day)
        frozen = holding.frozen and place >= count - holding.burst
        time = 0 if frozen else (7 + chance.randrange(12)) * 10_000 + chance.randrange(60) * 100
        seconds = 0 if frozen else chance.randrange(60)
        moments.append((made.year * 10_000 + made.month * 100 + made.day) * _MOMENT + time + seconds)
    moments.sort()
    return array("Q", moments), array("B", (chance.randrange(len(MODALITIES)) for _ in moments))


# --- matching ---------------------------------------------------------------------------------------------


def _ends(value: str, lowest: str, highest: str) -> tuple[int, int]:
    """A date or a time, or a range of them, as numbers of as many digits as `lowest` has."""
    low, dash, high = value.replace(" ", "").partition("-")
    low, high = (low, high) if dash else (low, low)
    low, high = (end.partition(".")[0].replace(":", "") for end in (low, high))
    return int(low + lowest[len(low) :]), int(high + highest[len(high) :])


def _by_date(archive: Archive, found: Found, value: str) -> Found:
    low, high = _ends(value, "00000000", "99999999")
    first = bisect_left(archive.moments, low * _MOMENT)
    return found[first : bisect_right(archive.moments, high * _MOMENT + _MOMENT - 1)]


def _by_time(archive: Archive, found: Found, value: str) -> Found:
    low, high = _ends(value, "000000", "235959")
    moments, dated = archive.moments, archive.dated
    return [study for study in found if study < dated and low <= moments[study] % _MOMENT <= high]


def _by_modality(archive: Archive, found: Found, value: str) -> Found:
    wanted = {word.strip() for word in value.split("\\")}
    return [study for study in found if archive.modality_of(study) in wanted]


def _by_uid(archive: Archive, found: Found, value: str) -> Found:
    asked = set(value.split("\\")[:_MOST_UIDS])
    numbers = {uid.removeprefix(archive.uid_root) for uid in asked if uid.startswith(archive.uid_root)}
    studies = {int(number) - 10_000_000 for number in numbers if number.isdigit()}
    return [study for study in sorted(studies) if study in found]


def _wild(pattern: str) -> Callable[[str], object]:
    """Wild card matching (PS3.4 C.2.2.2.4), of names without case."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.IGNORECASE).fullmatch


def _by_person(naming: Callable[[Archive, int], str]) -> Callable[[Archive, Found, str], Found]:
    def narrow(archive: Archive, found: Found, value: str) -> Found:
        fits = _wild(value)
        return [study for study in found if fits(naming(archive, archive.person_of(study)))]

    return narrow


def _by_accession(archive: Archive, found: Found, value: str) -> Found:
    fits = _wild(value)
    return [study for study in found if fits(archive.accession(study))]


# The date first: it is a slice of what is in order.
_NARROWING: Final[dict[str, Callable[[Archive, Found, str], Found]]] = {
    "StudyDate": _by_date,
    "StudyTime": _by_time,
    "ModalitiesInStudy": _by_modality,
    "StudyInstanceUID": _by_uid,
    "PatientID": _by_person(Archive.patient_id),
    "PatientName": _by_person(Archive.patient_name),
    "AccessionNumber": _by_accession,
}
