"""What a program says of itself, and how far that can be believed.

Every mark carries where it comes from, and no identity is more certain than its mark: Orthanc associates with
the name of the DCMTK in it, so that name tells the toolkit and not the product. Public tables of
Implementation Class UIDs contradict each other; what was only read in one is called unverified, and nothing
rests on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from leadglass.dicom import implementation
from leadglass.scan.doors import Door
from leadglass.scan.observation import Outcome
from leadglass.scan.words import Marker


class Provenance(StrEnum):
    """How a mark is known, the best first."""

    RUN = "run"  # the program was run, and said so
    CODE = "code"  # read in its source
    LOG = "log"  # seen in somebody's log of a live device
    TABLE = "table"  # a public table, or a conformance statement quoted by others
    UNVERIFIED = "unverified"  # a public table that others contradict, or nothing but hearsay


class Kind(StrEnum):
    PRODUCT = "product"
    TOOLKIT = "toolkit"  # a library that many products are made with
    VENDOR = "vendor"  # who holds the root of the UID


class Sign(StrEnum):
    """Where a mark is looked for."""

    UID = "uid"  # Implementation Class UID, whole
    ROOT = "root"  # the beginning of one
    VERSION_NAME = "version-name"  # the beginning of Implementation Version Name
    MARKER = "marker"  # a page or answer that a probe recognised
    SERVER = "server"  # the beginning of an HTTP Server header


@dataclass(frozen=True, slots=True)
class Mark:
    sign: Sign
    pattern: str
    program: str  # slug
    kind: Kind
    provenance: Provenance
    source: str


@dataclass(frozen=True, slots=True)
class Identity:
    """`version` is '' where none is told. `index`: the observation that says so."""

    program: str
    kind: Kind
    version: str
    provenance: Provenance
    source: str
    index: int

    @property
    def name(self) -> str:
        return NAMES[self.program]


class Told(NamedTuple):
    """What one observation tells of a program, '' for nothing; the names are those of `Observation.said`."""

    implementation_class_uid: str
    implementation_version_name: str
    marker: str
    server: str
    version: str


# How programs are called in reports.
NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "clearcanvas": "ClearCanvas", "conquest": "Conquest DICOM server", "dcm4che": "dcm4che 3 or later",
        "dcm4che2": "dcm4che 2", "dcm4chee": "dcm4chee-arc", "dcmtk": "DCMTK", "dicoogle": "Dicoogle",
        "fo-dicom": "fo-dicom", "fuji": "Fujifilm or Canon", "gdcm": "GDCM", "ge": "GE HealthCare",
        "go-dicom": "go-dicom", "leadglass": "Leadglass", "meddream": "MedDream", "merge": "Merge",
        "ohif": "OHIF Viewer", "orthanc": "Orthanc", "osirix": "OsiriX", "oviyam": "Oviyam",
        "philips": "Philips", "pynetdicom": "pynetdicom", "sectra": "Sectra",
        "siemens": "Siemens Healthineers", "weasis": "Weasis", "wildfly": "WildFly",
    }
)  # fmt: skip

_P, _T, _V = Kind
_RUN, _CODE, _LOG, _TABLE, _UNVERIFIED = Provenance
_HEARSAY: Final = "public tables of Implementation Class UIDs; not confirmed"
MARKS: Final = (
    Mark(Sign.UID, implementation.IMPLEMENTATION_CLASS_UID, "leadglass", _P, _RUN, "leadglass.dicom"),
    Mark(
        Sign.ROOT, "1.2.276.0.7230010.3.0.", "dcmtk", _T, _RUN,
        "storescp, dcmqrscp and Orthanc of Debian 12 answer 1.2.276.0.7230010.3.0.3.6.7",
    ),
    Mark(
        Sign.ROOT, "1.2.826.0.1.3680043.9.3811.", "pynetdicom", _T, _RUN,
        "pynetdicom 3.0.4 answers 1.2.826.0.1.3680043.9.3811.3.0.4",
    ),
    Mark(
        Sign.ROOT, "1.2.826.0.1.3680043.2.1143.107.104.103.115.", "gdcm", _T, _RUN,
        "gdcm.FileMetaInformation of GDCM 3.2.6",
    ),
    Mark(
        Sign.UID, "1.2.40.0.13.1.3", "dcm4che", _T, _CODE,
        "dcm4che/dcm4che, dcm4che-core, org.dcm4che3.data.Implementation",
    ),
    Mark(
        Sign.UID, "1.2.40.0.13.1.1", "dcm4che2", _T, _CODE,
        "dcm4che 2, org.dcm4che.data.Implementation",
    ),
    Mark(
        Sign.UID, "1.3.6.1.4.1.30071.8", "fo-dicom", _T, _CODE,
        "fo-dicom, DicomImplementation.cs; MONAI Deploy's conformance statement",
    ),
    Mark(
        Sign.UID, "1.3.6.1.4.1.25403.1.1.1", "clearcanvas", _T, _CODE,
        "ClearCanvas, DicomImplementation.cs",
    ),
    Mark(
        Sign.UID, "1.2.826.0.1.3680043.2.135.1066.101", "conquest", _P, _CODE,
        "Conquest, dicomlib/version.h; logs of associations with 1.4.16 and 1.5.0",
    ),
    Mark(
        Sign.UID, "1.2.826.0.1.3680043.9.7133.1.1", "go-dicom", _T, _CODE,
        "grailbio/go-dicom, GoDICOMImplementationClassUID",
    ),
    Mark(
        Sign.ROOT, "1.3.12.2.1107.", "siemens", _V, _LOG,
        "a log of an MR scanner that answers 1.3.12.2.1107.5.2, MR_VB19A",
    ),
    Mark(Sign.ROOT, "1.2.840.113619.", "ge", _V, _UNVERIFIED, _HEARSAY),
    Mark(Sign.ROOT, "1.3.46.670589.", "philips", _V, _UNVERIFIED, _HEARSAY),
    Mark(Sign.ROOT, "1.2.840.113669.", "merge", _V, _UNVERIFIED, _HEARSAY),
    Mark(Sign.ROOT, "1.2.392.200036.", "fuji", _V, _UNVERIFIED, _HEARSAY),
    Mark(Sign.ROOT, "1.2.752.24.", "sectra", _V, _UNVERIFIED, _HEARSAY),
    Mark(Sign.ROOT, "2.16.756.5.5.100.3611.", "osirix", _V, _UNVERIFIED, _HEARSAY),
    Mark(Sign.MARKER, Marker.ORTHANC, "orthanc", _P, _RUN, "GET /system of Orthanc 1.10.1"),
    Mark(Sign.MARKER, Marker.OHIF, "ohif", _P, _CODE, "OHIF/Viewers: window.config in app-config.js"),
    Mark(Sign.MARKER, Marker.DCM4CHEE, "dcm4chee", _P, _TABLE, "its landing page"),
    Mark(Sign.MARKER, Marker.CONQUEST, "conquest", _P, _TABLE, "its landing page"),
    Mark(Sign.MARKER, Marker.DICOOGLE, "dicoogle", _P, _CODE, "bioinformatics-ua/dicoogle, index.jsp"),
    Mark(Sign.MARKER, Marker.CLEARCANVAS, "clearcanvas", _P, _TABLE, "its landing page"),
    Mark(Sign.MARKER, Marker.MEDDREAM, "meddream", _P, _TABLE, "its landing page"),
    Mark(Sign.MARKER, Marker.OVIYAM, "oviyam", _P, _TABLE, "its landing page"),
    Mark(Sign.MARKER, Marker.WEASIS, "weasis", _P, _TABLE, "its landing page"),
    Mark(Sign.SERVER, "WildFly", "wildfly", _T, _UNVERIFIED, "the header's own word"),
)  # fmt: skip

_BEGINS: Final = frozenset({Sign.ROOT, Sign.VERSION_NAME, Sign.SERVER})
_SAID: Final[Mapping[Sign, str]] = {
    Sign.UID: "implementation_class_uid",
    Sign.ROOT: "implementation_class_uid",
    Sign.VERSION_NAME: "implementation_version_name",
    Sign.MARKER: "marker",
    Sign.SERVER: "server",
}
_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)*", re.ASCII)


def _tail(root: str) -> Callable[[Told], str]:
    return lambda told: told.implementation_class_uid.removeprefix(root)


def _numbers(text: str) -> str:
    match = _NUMBERS.search(text.partition("-")[2] or text)
    return match[0] if match else ""


# How a program tells its version; those that are not here tell none that is known to be right.
_VERSIONS: Final[Mapping[str, Callable[[Told], str]]] = {
    "dcmtk": _tail("1.2.276.0.7230010.3.0."),
    "pynetdicom": _tail("1.2.826.0.1.3680043.9.3811."),
    "gdcm": _tail("1.2.826.0.1.3680043.2.1143.107.104.103.115."),
    "dcm4che": lambda told: _numbers(told.implementation_version_name),
    "dcm4che2": lambda told: _numbers(told.implementation_version_name),
    "fo-dicom": lambda told: told.implementation_version_name.removeprefix("fo-dicom").strip(),
    "conquest": lambda told: told.implementation_version_name.partition("/")[0],
    "orthanc": lambda told: told.version,
    "meddream": lambda told: told.version,
    "ohif": lambda told: told.version,
    "dcm4chee": lambda told: told.version,
}


def identify(door: Door) -> tuple[Identity, ...]:
    """What is known of the programs behind one port, each once, the best known first."""
    best: dict[str, Identity] = {}
    for identity in _identities(door):
        known = best.get(identity.program)
        if known is None or (not known.version and identity.version):
            best[identity.program] = identity
    return tuple(sorted(best.values(), key=lambda each: (_RANK[each.provenance], each.program)))


_RANK: Final = {provenance: rank for rank, provenance in enumerate(Provenance)}


def _identities(door: Door) -> Iterator[Identity]:
    for seen in door.seen:
        if seen.outcome in (Outcome.ACCEPTED, Outcome.EMPTY, Outcome.RESPONDED):
            told = Told(*map(seen.text, Told._fields))._replace(marker=door.marker(seen))
            for mark, version in _marks(told):
                yield Identity(mark.program, mark.kind, version, mark.provenance, mark.source, seen.index)


@lru_cache(maxsize=4096)
def _marks(told: Told) -> tuple[tuple[Mark, str], ...]:
    """Those that it bears, with the version; thousands of servers tell the same."""
    return tuple((mark, _version(told, mark)) for mark in MARKS if _bears(told, mark))


def _bears(told: Told, mark: Mark) -> bool:
    said = str(getattr(told, _SAID[mark.sign]))
    return said.startswith(mark.pattern) if mark.sign in _BEGINS else said == mark.pattern


def _version(told: Told, mark: Mark) -> str:
    how = _VERSIONS.get(mark.program)
    return how(told) if how and mark.sign is not Sign.SERVER else ""
