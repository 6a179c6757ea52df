"""One object that was kept aside, beside what it is at odds with: for who may see both.

other content under a known UID     every attribute of the two objects that differs, and their pixels
a study or series that is another's  what tells whose it is, beside an image of what is here; so too what was
                                     handed over, beside an image of its study
everything else                      what the object says of itself, as far as it can be read
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from leadglass.access.policy import Action, Resource, decide
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.outcome import sentence
from leadglass.archive.standing import Choice, Standing, Standings, header
from leadglass.dicom.dataset import DataSet
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, uid_name
from leadglass.dicom.differences import Difference, differences, listed
from leadglass.dicom.part10 import Part10Parser
from leadglass.index import lookup
from leadglass.index.asides import example
from leadglass.index.fitting import Clash
from leadglass.index.rows import KeptRow, Sealed, StudyRow
from leadglass.store.blobs import BlobReader

MOST_PIXELS: Final = 64 << 20  # bytes of an object whose pixels are compared while somebody waits
_TELLING: Final = frozenset(
    TAG_BY_KEYWORD[keyword]
    for keyword in (
        *(
            "PatientName",
            "PatientID",
            "IssuerOfPatientID",
            "PatientBirthDate",
            "PatientSex",
            "OtherPatientIDs",
        ),
        *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", "StudyID", "AccessionNumber"),
        *("ReferringPhysicianName", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality"),
        *("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "BodyPartExamined", "InstitutionName"),
        *("Manufacturer", "ManufacturerModelName", "StationName", "SpecificCharacterSet"),
    )
)
_IMAGES_OWN: Final = frozenset(
    TAG_BY_KEYWORD[keyword] for keyword in ("SOPClassUID", "SOPInstanceUID", "InstanceNumber")
)
_BESIDE: Final = {
    Clash.OTHER_CONTENT: None,
    Clash.OTHER_STUDY: _TELLING - _IMAGES_OWN,
    Clash.OTHER_PATIENT: _TELLING - _IMAGES_OWN,
    Clash.HANDED_OVER: _TELLING - _IMAGES_OWN,
}


@dataclass(frozen=True, slots=True)
class Exhibit:
    """`study` is what it is at odds with, where the reader may see that. `lines` compare it with what is here
    when `compared`, and else say what it says by itself; `more` were left out. `notes` are sentences."""

    standing: Standing
    sentence: str
    study: StudyRow | None
    syntax: str
    lines: tuple[Difference, ...]
    compared: bool
    more: bool
    notes: tuple[str, ...]
    choices: tuple[Choice, ...]
    token: str

    @property
    def kept(self) -> KeptRow:
        return self.standing.kept


class Exhibits:
    def __init__(self, doorkeeper: Doorkeeper, standings: Standings) -> None:
        self._doorkeeper = doorkeeper
        self._standings = standings

    def of(self, who: Principal, kept: KeptRow, context: Context) -> Exhibit:
        """On the record with whose it says it is, and whose it is at odds with, before it is returned."""
        standing = self._standings.of(kept)
        study, here = self._beside(who, standing, context)
        with self._standings.open_kept(kept) as came:
            parser, readable = header(came, self._standings.limits, None)
            notes = [] if readable and standing.clash is not Clash.UNREADABLE else [_UNREADABLE]
            lines, more = listed(_elements(parser), only=_TELLING), False
            compared = here is not None and readable
            if compared and here is not None:
                lines, more = self._compared(standing, here, came, parser, notes)
        exhibit = Exhibit(
            standing,
            sentence(standing.clash, whole=study is not None),
            study,
            uid_name(kept.sealed.transfer_syntax_uid) or "unknown",
            lines,
            compared,
            more,
            tuple(notes),
            standing.choices(),
            standing.token,
        )
        self._record(who, exhibit, context)
        return exhibit

    def _beside(
        self, who: Principal, standing: Standing, context: Context
    ) -> tuple[StudyRow | None, Sealed | None]:
        """The study it is at odds with, and an object of it to compare with; nothing that is foreign."""
        kept = standing.kept
        with self._doorkeeper.db.read() as connection:
            study_id = standing.known.study_id if standing.known is not None else kept.study_id
            study = lookup.study(connection, study_id) if study_id is not None else None
            if study is None or not self._may_see(who, study, context):
                return None, None
            if standing.clash not in _BESIDE:
                return study, None
            if standing.clash is Clash.OTHER_CONTENT:
                instance = standing.known.instance_id if standing.known is not None else None
            else:
                instance = example(connection, study.id, standing.claims.series_instance_uid)
            return study, lookup.sealed(connection, instance) if instance is not None else None

    def _may_see(self, who: Principal, study: StudyRow, context: Context) -> bool:
        return decide(who, Action.ASIDE_REVIEW, Resource(study.department_id), context).allowed

    def _compared(
        self,
        standing: Standing,
        beside: Sealed,
        came: BlobReader,
        parser: Part10Parser,
        notes: list[str],
    ) -> tuple[tuple[Difference, ...], bool]:
        with self._standings.open(beside) as here:
            other, readable = header(here, self._standings.limits, None)
            if not readable:
                notes.append(_HERE_UNREADABLE)
            only = _BESIDE[standing.clash]
            lines, more = differences(_elements(other), _elements(parser), only=only)
            if only is not None:
                notes.append(_AN_EXAMPLE)
            elif beside.transfer_syntax_uid != standing.kept.sealed.transfer_syntax_uid:
                was, now = (
                    uid_name(uid)
                    for uid in (beside.transfer_syntax_uid, standing.kept.sealed.transfer_syntax_uid)
                )
                notes.append(f"Another transfer syntax: {was} here, {now} came. Pixels were not compared.")
            else:
                notes.append(_pixels((here, other), (came, parser)))
        return lines, more

    def _record(self, who: Principal, exhibit: Exhibit, context: Context) -> None:
        claims, study = exhibit.standing.claims, exhibit.study
        patients = [claims.patient_id, study.patient_id if study is not None else ""]
        uids = [claims.study_instance_uid, study.study_instance_uid if study is not None else ""]
        entry = self._doorkeeper.entry(
            who,
            Action.ASIDE_REVIEW,
            context,
            department=exhibit.kept.department_id,
            patients=tuple(dict.fromkeys(filter(None, patients))),
            studies=tuple(dict.fromkeys(filter(None, uids))),
            counts={"headers": 2 if exhibit.compared else 1},
            detail={"instance": exhibit.kept.sop_instance_uid},
        )
        self._doorkeeper.record(entry, context.now)


_UNREADABLE: Final = "It cannot be read to its end: shown is what could be read of it."
_HERE_UNREADABLE: Final = "What is here could not be read to the end of its header."
_AN_EXAMPLE: Final = "Compared with one image of the study that is here, by what tells whose they are."


def _elements(parser: Part10Parser) -> DataSet:
    return parser.dataset.elements if parser.dataset is not None else {}


def _pixels(one: tuple[BlobReader, Part10Parser], other: tuple[BlobReader, Part10Parser]) -> str:
    """In words whether everything from the pixels on is the same, byte for byte."""
    places = [_pixels_at(parser) for _, parser in (one, other)]
    if places == [None, None]:
        return "Neither of the two has pixels."
    if None in places:
        return "Only one of the two has pixels."
    if max(one[0].size, other[0].size) > MOST_PIXELS:
        return "They are large: their pixels were not compared."
    digests = []
    for (reader, parser), place in zip((one, other), places, strict=True):
        if parser.transfer_syntax is None or parser.transfer_syntax.deflated:
            return "They are deflated: their pixels were not compared."
        digest = sha256()
        for chunk in reader.chunks(place or 0):
            digest.update(chunk)
        digests.append(digest.digest())
    return "The pixels are the same." if digests[0] == digests[1] else "The pixels differ."


def _pixels_at(parser: Part10Parser) -> int | None:
    """Where they begin in the file."""
    if parser.dataset is None or parser.dataset_offset is None:
        return None
    offset = parser.dataset.pixel_data_offset
    return None if offset is None else parser.dataset_offset + offset
