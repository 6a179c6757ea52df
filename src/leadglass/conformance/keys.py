"""Query/Retrieve: which attributes are matched and returned at which level, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from leadglass.archive.identifiers import ATTRIBUTES, ITEM_ATTRIBUTES
from leadglass.archive.queries import ITEM_KEYS, KEYS, Level
from leadglass.conformance.markdown import code, table
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG, format_tag
from leadglass.dimse import sop_classes as uids
from leadglass.errors import Violation
from leadglass.index.query import AnyOf, Item, Match, Range, Single, Wildcard, parse_item, parse_match
from leadglass.scp.identifiers import MODELS, UNIQUE
from leadglass.scp.unique_keys import LEVELS
from leadglass.scp.unique_keys import UNIQUE as RETRIEVED_BY

# What the Standard demands (PS3.4 Tables C.6-1 to C.6-5): everything else is an optional key.
REQUIRED: Final[Mapping[Level, frozenset[str]]] = {
    Level.PATIENT: frozenset({"PatientName"}),
    Level.STUDY: frozenset({"StudyDate", "StudyTime", "AccessionNumber", "StudyID"}),
    Level.SERIES: frozenset({"Modality", "SeriesNumber"}),
    Level.INSTANCE: frozenset({"InstanceNumber"}),
}
# At Study level of Study Root these of the patient are required as well (Table C.6-5).
REQUIRED_IN_STUDY_ROOT: Final = frozenset({"PatientName", "PatientID"})

# One value of every form that a key can have: what the parser makes of it says how the key matches.
_SAMPLES: Final = (
    "A", "A*", "CT\\MR", "1.2", "1.2\\1.3", "20260131", "20260101-20260131", "0930", "0900-1000", "7",
)  # fmt: skip
_MATCHING: Final[Mapping[type, str]] = {
    Single: "single value",
    AnyOf: "list",
    Wildcard: "wild card",
    Range: "range",
    Item: "sequence",
}

# Elements of every response that are no keys, and what they hold.
ALWAYS: Final[Mapping[str, str]] = {
    "QueryRetrieveLevel": "the level of the request",
    "RetrieveAETitle": "the archive's own AE title",
    "InstanceAvailability": "`ONLINE`: whatever is here is on disk",
    "SpecificCharacterSet": "where a value needs more than ASCII: that of the request if it has all the "
    "characters, else `ISO_IR 192`",
}

_NAMES: Final[Mapping[str, str]] = {
    uids.PATIENT_ROOT_FIND: "Patient Root",
    uids.STUDY_ROOT_FIND: "Study Root",
}


def values() -> dict[str, object]:
    return {"levels": _levels(), "always": _always(), "retrieval": _retrieval()}


def _levels() -> str:
    return "\n\n".join(
        f"**{level.value} level** ({', '.join(_models_with(level))})\n\n"
        + table(("attribute", "tag", "VR", "key", "matching"), rows(level))
        for level in Level
    )


def rows(level: Level) -> Iterator[tuple[str, ...]]:
    for keyword in sorted(ATTRIBUTES[level], key=lambda keyword: TAG_BY_KEYWORD[keyword]):
        yield _row(keyword, _type(level, keyword), ", ".join(matching(level, keyword)))
        for inner in ITEM_ATTRIBUTES.get(keyword, ()):
            yield _row(inner, "optional", ", ".join(_item_matching(keyword, inner)), prefix="> ")


def matching(level: Level, keyword: str) -> list[str]:
    """The types of matching of a key, found out by asking for it; none where it is only returned."""
    if keyword not in KEYS[level]:
        return ["(returned only)"]
    if keyword in ITEM_KEYS:
        return ["sequence", "universal"]
    return [*_kinds(lambda sample: parse_match(level, keyword, sample)), "universal"]


def _always() -> str:
    rows = ((keyword, format_tag(TAG_BY_KEYWORD[keyword]), what) for keyword, what in ALWAYS.items())
    return table(("attribute", "tag", "value"), rows)


def _retrieval() -> str:
    """The unique keys of C-GET and C-MOVE."""
    deepest = max(LEVELS.values(), key=len)
    several = {level: "one value" if level == "PATIENT" else "one UID, or a list" for level in deepest}
    return table(
        ("level", "its unique key", "values", "models"),
        ((level, RETRIEVED_BY[level][0], several[level], ", ".join(_retrieving(level))) for level in deepest),
    )


def _models_with(level: Level) -> list[str]:
    return [_NAMES[uid] for uid, levels in MODELS.items() if level in levels]


def _retrieving(level: str) -> list[str]:
    names = {uids.PATIENT_ROOT_GET: "Patient Root", uids.STUDY_ROOT_GET: "Study Root"}
    return [name for uid, name in names.items() if level in LEVELS[uid]]


def _type(level: Level, keyword: str) -> str:
    if keyword == UNIQUE[level]:
        return "unique"
    if keyword in REQUIRED[level]:
        return "required"
    if level is Level.STUDY and keyword in REQUIRED_IN_STUDY_ROOT:
        return "required (Study Root)"
    above = next((one for one in Level if keyword == UNIQUE[one] and _is_above(one, level)), None)
    if above is None:
        return "optional"
    return f"unique of {above.value} level{' (Patient Root)' if above is Level.PATIENT else ''}"


def _is_above(one: Level, other: Level) -> bool:
    levels = list(Level)
    return levels.index(one) < levels.index(other)


def _item_matching(keyword: str, inner: str) -> list[str]:
    def parse(sample: str) -> Match | None:
        found = parse_item(keyword, {inner: sample})
        return found.match[0][1] if isinstance(found, Item) else None

    return [*_kinds(parse), "universal"]


def _kinds(parse: Callable[[str], Match | None]) -> list[str]:
    found: dict[str, None] = {}
    for sample in _SAMPLES:
        try:
            made = parse(sample)
        except Violation:
            continue
        is_one = isinstance(made, Range) and made.low == made.high
        found["single value" if is_one else _MATCHING[type(made)]] = None
    return [name for name in _MATCHING.values() if name in found]


def _row(keyword: str, kind: str, how: str, *, prefix: str = "") -> tuple[str, ...]:
    tag = TAG_BY_KEYWORD[keyword]
    return f"{prefix}{keyword}", code(format_tag(tag)), VR_BY_TAG[tag], kind, how
