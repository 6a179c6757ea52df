"""leadglass find: what another archive has."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from leadglass.cli import show
from leadglass.cli.reach import (
    AeArgument,
    CallingOption,
    CaOption,
    CertificateOption,
    KeyOption,
    PlaintextOption,
    TlsOption,
    reach,
    reached,
    run,
)
from leadglass.cli.work import HomeOption, JsonOption, Work
from leadglass.errors import Violation

if TYPE_CHECKING:
    from leadglass.dicom.dataset import DataSet
    from leadglass.transfer.query import Level, Outcome, Query
    from leadglass.transfer.target import Endpoint

_DAY: Final = r"(\d{4})-?(\d\d)-?(\d\d)"
_RANGE: Final = re.compile(rf"(?:{_DAY})?(\.\.|-)?(?:{_DAY})?", re.ASCII)

# What a table shows, by level: keyword, heading. What was asked for besides stands behind.
COLUMNS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "PATIENT": (("PatientName", "Name"), ("PatientID", "Patient ID"), ("PatientBirthDate", "Born")),
    "STUDY": (
        ("StudyDate", "Date"), ("PatientName", "Name"), ("PatientID", "Patient ID"),
        ("ModalitiesInStudy", "Modalities"), ("StudyDescription", "Description"),
        ("NumberOfStudyRelatedInstances", "Images"), ("StudyInstanceUID", "Study"),
    ),
    "SERIES": (
        ("SeriesNumber", "No."), ("Modality", "Modality"), ("SeriesDescription", "Description"),
        ("NumberOfSeriesRelatedInstances", "Images"), ("SeriesInstanceUID", "Series"),
    ),
    "IMAGE": (("InstanceNumber", "No."), ("SOPClassUID", "Kind"), ("SOPInstanceUID", "Object")),
}  # fmt: skip
_NUMBERS: Final = frozenset({"Images", "No."})
_WHOLE: Final = frozenset({"Date", "Study", "Series", "Object"})
LevelOption = Annotated[
    str, typer.Option("--level", metavar="LEVEL", help="What to list: patient, study, series or image.")
]
PatientOption = Annotated[
    str | None, typer.Option("--patient", metavar="ID", help="Patient ID; * and ? match.")
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Patient's name, or how it begins; * and ? match."),
]
DateOption = Annotated[
    str | None,
    typer.Option(
        "--date", metavar="DAYS", help="Study date: 2026-01-31, 2026-01-01..2026-01-31, 2026-01-01.."
    ),
]
ModalityOption = Annotated[str | None, typer.Option("--modality", metavar="CS", help="For example CT.")]
AccessionOption = Annotated[str | None, typer.Option("--accession", metavar="NO", help="Accession number.")]
StudyOption = Annotated[str | None, typer.Option("--study", metavar="UID", help="Study Instance UID.")]
SeriesOption = Annotated[str | None, typer.Option("--series", metavar="UID", help="Series Instance UID.")]
MatchOption = Annotated[
    list[str] | None,
    typer.Option(
        "-k",
        "--match",
        metavar="KEY=VALUE",
        help="Any other key, by keyword or tag; no value asks for it.",
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many at most.")]


def find(
    ae: AeArgument,
    *,
    level: LevelOption = "study",
    patient: PatientOption = None,
    name: NameOption = None,
    date: DateOption = None,
    modality: ModalityOption = None,
    accession: AccessionOption = None,
    study: StudyOption = None,
    series: SeriesOption = None,
    key: MatchOption = None,
    limit: LimitOption = 1000,
    calling: CallingOption = None,
    tls: TlsOption = False,
    certificate: CertificateOption = None,
    private_key: KeyOption = None,
    ca: CaOption = None,
    plaintext: PlaintextOption = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """List what another archive has (C-FIND)."""
    given = {
        "PatientID": patient,
        "PatientName": _beginning(name),
        "StudyDate": _days(date),
        "Modality" if level.upper() in ("SERIES", "IMAGE") else "ModalitiesInStudy": modality,
        "AccessionNumber": accession,
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
    }
    query, extra = _query(level, given, key or [])
    options = reach(
        ae, calling=calling, tls=tls, certificate=certificate, key=private_key, ca=ca, plaintext=plaintext
    )
    with reached(options, home) as (endpoint, work):
        _record(work, endpoint, query)
        outcome = run((_print_json if json else _print_table)(endpoint, query, limit, extra))
    if outcome.untold:
        way = (
            "Narrow it down, or raise --limit."
            if outcome.rows >= limit
            else "That is the other side's limit."
        )
        show.note(f"There are more than these {outcome.rows:,}. {way}")


def _query(level: str, given: dict[str, str | None], pairs: list[str]) -> tuple[Query, list[str]]:
    """The query, and the keywords asked for besides the usual ones."""
    from leadglass.transfer.query import RETURN_KEYS, Level, Query

    try:
        at = Level(level.upper())
    except ValueError:
        raise typer.BadParameter(
            "A level is patient, study, series or image.", param_hint="--level"
        ) from None
    keys = {word: value for word, value in given.items() if value}
    extra: list[str] = []
    for pair in pairs:
        word, _, value = pair.partition("=")
        keys[word] = value
        extra.append(word)
    try:
        return Query.of(at, keys), [word for word in extra if word not in RETURN_KEYS[at]]
    except Violation as error:
        raise typer.BadParameter(str(error), param_hint="-k") from None


def _beginning(name: str | None) -> str | None:
    """A name as people type it is how it begins: given names come after it."""
    return f"{name}*" if name and not set("*?^=") & set(name) else name


def _days(text: str | None) -> str | None:
    """A range as PS3.4 C.2.2.2.5 has it. Wrong use when it is none."""
    if not text:
        return None
    found = _RANGE.fullmatch(text.strip())
    first, last = (
        ("".join(found[at] or "" for at in at_) for at_ in ((1, 2, 3), (5, 6, 7))) if found else ("", "")
    )
    misread = found is None or not (first or last) or (last and not found[4])
    if found is None or misread or not _are_days(first, last):
        raise typer.BadParameter("Days are 2026-01-31 or 2026-01-01..2026-01-31.", param_hint="--date")
    return f"{first}-{last}" if found[4] else first


def _are_days(first: str, last: str) -> bool:
    """Whether the calendar has them, in this order."""
    from leadglass.dicom.values import parse_date

    return all(map(parse_date, filter(None, (first, last)))) and not (last and first > last)


def _record(work: Work | None, endpoint: Endpoint, query: Query) -> None:
    """Asking in the archive's name is on its record: whom, and about what. Not the values: they are names."""
    from leadglass.dicom.dictionary import keyword_of

    if work is None:
        return
    asked = sorted(keyword_of(path[-1]) for path, value in query.keys.items() if value)
    context = work.context()
    detail = {"to": str(endpoint.target), "level": query.level.value.lower(), "keys": ",".join(asked)}
    entry = work.services.doorkeeper.entry(work.who, "remote.search", context, detail=detail)
    work.services.doorkeeper.record(entry, context.now)


async def _rows(endpoint: Endpoint, query: Query, limit: int, outcome: Outcome) -> AsyncIterator[DataSet]:
    from leadglass.transfer import query as asking
    from leadglass.transfer.association import associated

    async with associated(endpoint, asking.PROPOSALS) as link:
        async for row in asking.find(link, query, outcome, most=limit):
            yield row
    asking.require_success(outcome)


async def _print_json(endpoint: Endpoint, query: Query, limit: int, _: list[str]) -> Outcome:
    """One DICOM JSON object (PS3.18 F) a line, as they come, in one array."""
    from leadglass.dicom.json import to_json
    from leadglass.transfer.query import Outcome

    outcome, between = Outcome(), "["
    try:
        async for row in _rows(endpoint, query, limit, outcome):
            show.line(between + json_module.dumps(to_json(row)))
            between = ","
    finally:
        show.line("]" if between == "," else "[]")
    return outcome


async def _print_table(endpoint: Endpoint, query: Query, limit: int, extra: list[str]) -> Outcome:
    from leadglass.transfer.query import Outcome

    outcome = Outcome()
    columns = (*COLUMNS[query.level.value], *((word, word) for word in extra))
    rows: list[tuple[str, ...]] = []
    with show.progress(f"Asking {endpoint.target}") as bar:
        try:
            async for row in _rows(endpoint, query, limit, outcome):
                rows.append(tuple(_shown(row, word) for word, _ in columns))
                bar(len(rows), limit)
        except BaseException:
            if rows:  # without any, nobody said that nothing matches
                _show_rows(columns, rows, query.level)
            raise
    _show_rows(columns, rows, query.level)
    return outcome


def _show_rows(columns: tuple[tuple[str, str], ...], rows: list[tuple[str, ...]], level: Level) -> None:
    headings = [heading for _, heading in columns]
    if rows:
        show.table(
            headings,
            rows,
            right=frozenset(at for at, heading in enumerate(headings) if heading in _NUMBERS),
            whole=frozenset(at for at, heading in enumerate(headings) if heading in _WHOLE),
        )
    else:
        show.note(f"No {level.value.lower()} matches.")


def _shown(row: Any, word: str) -> str:
    """A value as people read it."""
    from leadglass.dicom.charset import charset_of
    from leadglass.dicom.dictionary import uid_name
    from leadglass.dicom.values import numbers, texts
    from leadglass.transfer.query import path_of

    path = path_of(word)
    element = row.get(path[0])
    if element is not None and len(path) > 1:
        element = (
            element.value[0].get(path[1]) if isinstance(element.value, tuple) and element.value else None
        )
    if element is None:
        return ""
    values = texts(element, charset_of(row)) or tuple(map(str, numbers(element)))
    make = _FORMATS.get(element.vr, str)
    return ", ".join(uid_name(value) if word == "SOPClassUID" else make(value) for value in values)


def _day(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdigit() else value


_FORMATS: Final[dict[str, Callable[[str], str]]] = {"DA": _day}
