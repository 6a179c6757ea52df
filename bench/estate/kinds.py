"""The kinds of systems in an estate: how each behaves, and what is true of it.

`levels` are the exposure levels that are right for it: more than one where it depends on how a stranger's
bytes and its own cross. `verdict` is in the words below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from estate import faults, http, pages
from estate.archive import Holding
from estate.certificates import Tls
from estate.dicom import (
    ARCHIVE,
    CT,
    DEPARTMENT,
    ECHO,
    FIND,
    RETRIEVE,
    SECONDARY_CAPTURE,
    STORE,
    WORKLIST,
    DicomPeer,
    Finding,
    Manner,
)
from estate.door import Door, Peer
from estate.wire import Software
from leadglass.dimse import sop_classes as uids
from leadglass.ul.pdu import AssociateRJ, RejectResult, RejectSource

VERDICTS: Final[Mapping[str, str]] = {
    "open": "answers the queries of strangers",
    "honeypot": "answers everything, and is no archive",
    "refuses-queries": "associates with strangers, and answers none of their queries",
    "accepts-nothing": "associates with strangers for no service at all",
    "rejects-called": "rejects: called AE title not recognized",
    "rejects-calling": "rejects: calling AE title not recognized",
    "rejects": "rejects for another reason",
    "busy": "rejects for the time being",
    "aborts": "aborts instead of answering",
    "needs-certificate": "speaks TLS with holders of a certificate only",
    "misbehaves": "breaks the rules of its protocol",
    "not-dicom": "speaks something else",
    "silent": "takes a connection and says nothing",
    "web-open": "a web service that answers strangers",
    "web-protected": "a web service that asks who it is",
    "web-viewer": "a product's page, and nothing behind it",
    "web-listing": "a folder of images, listed",
    "web": "a web server of no interest",
    "web-misbehaves": "a web server that breaks the rules",
    "tcp-open": "a port beside an archive that is nobody's business from outside",
}


@dataclass(frozen=True, slots=True)
class Kind:
    plays: Callable[[Door], Peer]
    verdict: str
    levels: tuple[int, ...] = (0,)
    role: str = "dicom"
    product: str = ""
    title: str = "PACS"
    holding: Holding | None = None  # unless the description says otherwise; None: it keeps nothing
    tls: Tls | None = None
    exact: bool = True  # whether a stranger can know how much it holds
    dated: bool = True  # whether he can at least of what has a date
    back_ends: int = 1
    checks: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.verdict == "open"


DCMTK: Final = Software("dcmtk", "1.2.276.0.7230010.3.0.3.6.7", "OFFIS_DCMTK_367", is_flawed=True)
OLD_DCMTK: Final = Software("dcmtk", "1.2.276.0.7230010.3.0.3.6.0", "OFFIS_DCMTK_360", is_flawed=True)
DCM4CHE: Final = Software("dcm4che", "1.2.40.0.13.1.3", "dcm4che-5.29.2", 16_378)
PYNETDICOM: Final = Software(
    "pynetdicom", "1.2.826.0.1.3680043.9.3811.2.0.2", "PYNETDICOM_202", 16_382, is_flawed=True
)
FO_DICOM: Final = Software("fo-dicom", "1.3.6.1.4.1.30071.8", "fo-dicom 4.0.8", 262_144)
CLEARCANVAS: Final = Software("clearcanvas", "1.3.6.1.4.1.25403.1.1.1", "ClearCanvas_3.0", 65_536)
CONQUEST: Final = Software("conquest", "1.2.826.0.1.3680043.2.135.1066.101", "1.5.0/WIN32", 32_768)
DICOMPOT: Final = Software("dicompot", maximum_length=4 << 20)

_HELD: Final = Holding(40)


def _checks(manner: Manner, tls: Tls | None, *, holds: bool) -> tuple[str, ...]:
    """What a stranger finds out, by the numbers of the checks."""
    if manner.turns_away or manner.checks_called or manner.checks_calling or tls is Tls.MUTUAL:
        return ("D01",) if tls is not Tls.MUTUAL else ()
    answers = manner.finding is Finding.ANSWERS
    anything = manner.services is None

    def offers(*classes: str) -> bool:
        return anything or set(classes) <= (manner.services or frozenset())

    found = {
        "D01": True,
        "D02": anything or bool(manner.services),
        "D03": anything or bool(manner.services),
        "D05": offers(uids.VERIFICATION),
        "D06": answers and offers(uids.STUDY_ROOT_FIND),
        "D07": answers and offers(uids.STUDY_ROOT_FIND) and holds,
        "D08": offers(uids.STUDY_ROOT_GET) or offers(uids.STUDY_ROOT_MOVE),
        "D09": offers(CT, SECONDARY_CAPTURE),
        "D10": answers and offers(WORKLIST),
        "D11": any(map(offers, DEPARTMENT - {WORKLIST})),
        "T01": tls is None and (anything or bool(manner.services)),
        "T02": tls is Tls.WEAK,
        "T03": tls is not None,
        "F01": any(software.is_flawed for software in manner.software),
    }
    return tuple(check for check, is_found in found.items() if is_found)


def _dicom(verdict: str, *levels: int, software: Software = DCMTK, **how: Any) -> Kind:
    """A kind that keeps to the rules. Members of Kind are taken out of `how`, the rest is its manner."""
    own = {name: how.pop(name) for name in list(how) if name in Kind.__dataclass_fields__}
    manner = Manner(how.pop("back_ends_of", (software,)), **how)
    made: dict[str, Any] = {
        "product": software.product,
        "checks": _checks(manner, own.get("tls"), holds=own.get("holding", _HELD).studies > 0),
        "back_ends": len(manner.software),
        **own,
    }
    return Kind(partial(DicomPeer, manner=manner), verdict, levels, **made)


def _open(**how: Any) -> Kind:
    return _dicom("open", 4, **{"holding": _HELD, **how})


def _capped(**how: Any) -> Kind:
    return _open(exact=False, **how)


def _refuses(*levels: int, **how: Any) -> Kind:
    return _dicom("refuses-queries", *levels, **how)


_BOTH: Final = frozenset({"StudyDate", "StudyTime"})
_FEW: Final = frozenset({"StudyInstanceUID", "StudyDate", "StudyTime", "ModalitiesInStudy", "PatientID"})
_ORTHANC: Final = ARCHIVE | {uids.STORAGE_COMMITMENT_PUSH}
_TRANSIENT: Final = RejectResult.TRANSIENT, RejectSource.SERVICE_PROVIDER_PRESENTATION

OPEN: Final[dict[str, Kind]] = {
    "open": _open(),
    "open-old-dcmtk": _open(software=OLD_DCMTK),
    "open-dcm4che": _open(software=DCM4CHE, title="DCM4CHEE", services=ARCHIVE | DEPARTMENT),
    "open-conquest": _open(software=CONQUEST, title="CONQUESTSRV1"),
    "open-clearcanvas": _open(software=CLEARCANVAS, title="CLEARCANVAS"),
    "open-fo-dicom": _open(software=FO_DICOM),
    "open-orthanc": _open(title="ORTHANC", services=_ORTHANC),
    "find-only": _open(services=ECHO | FIND),
    "no-echo": _open(services=FIND | RETRIEVE),
    "worklist": _open(software=DCM4CHE, services=ARCHIVE | DEPARTMENT, worklist=12),
    "empty": _dicom("open", 3, holding=Holding(0), doubts=("empty",)),
    "undated": _open(holding=Holding(43, undated=15)),
    # Who never gives the whole may hold studies without a date: they are in no range of dates.
    "capped-500": _capped(software=PYNETDICOM, cap=500, holding=Holding(1_300)),
    "capped-1000": _capped(cap=1_000, holding=Holding(2_600)),
    "capped-50000": _capped(software=DCM4CHE, cap=50_000, holding=Holding(60_000)),
    "capped-burst": _capped(cap=500, holding=Holding(1_500, burst=900), dated=False),  # or without a time
    "capped-moment": _capped(cap=500, holding=Holding(2_600, burst=2_000, frozen=True), dated=False),
    "capped-undated": _capped(cap=500, holding=Holding(1_300, undated=50)),
    "refuses-above-500": _capped(software=DCM4CHE, limit=500, holding=Holding(1_300)),
    "refuses-above-1000": _capped(software=DCM4CHE, limit=1_000, holding=Holding(2_600)),
    "ignores-date": _open(ignores=_BOTH, holding=Holding(317), dated=False),
    "ignores-date-capped": _capped(ignores=_BOTH, cap=500, holding=Holding(1_300), dated=False),
    "picky": _open(software=CONQUEST, knows=_FEW),
    "deaf-to-cancel": _open(cancels=False, holding=Holding(1_200)),
    "slow": _open(pause=0.4),
    "load-balanced": _open(
        back_ends_of=(DCMTK, DCM4CHE), services=ARCHIVE, exact=False, dated=False, doubts=("load-balancer",)
    ),
    "tls-open": _open(software=DCM4CHE, tls=Tls.SERVER),
    "tls-weak": _open(software=OLD_DCMTK, tls=Tls.WEAK),
}
HONEYPOTS: Final[dict[str, Kind]] = {
    "honeypot": _dicom(
        "honeypot",
        4,
        services=None,
        holding=Holding(2_000_000, hollow=True),
        exact=False,
        dated=False,
        doubts=("honeypot",),
    ),
    "dicompot": _dicom(
        "honeypot", 4, software=DICOMPOT, services=None, holding=Holding(3), doubts=("honeypot",)
    ),
}
CLOSED: Final[dict[str, Kind]] = {
    "orthanc-like": _refuses(2, title="ORTHANC", services=_ORTHANC, finding=Finding.ABORTS),
    "refuses-find": _refuses(2, finding=Finding.REFUSES),
    "store-only": _refuses(2, services=ECHO | STORE),
    "echo-only": _refuses(2, services=ECHO, software=FO_DICOM),
    "accepts-nothing": _dicom("accepts-nothing", 0, services=frozenset()),
    "checks-called": _dicom("rejects-called", 0, checks_called=True, title="RADPACS7"),
    "checks-called-known": _dicom("rejects-called", 0, checks_called=True, title="DCM4CHEE", holding=_HELD),
    "checks-calling": _dicom("rejects-calling", 0, checks_calling=True),
    "checks-both": _dicom("rejects-calling", 0, checks_calling=True, checks_called=True),
    "busy": _dicom("busy", 0, turns_away=AssociateRJ.CONGESTED),
    "limit-exceeded": _dicom("busy", 0, turns_away=AssociateRJ.LIMIT_EXCEEDED),
    "rejects": _dicom("rejects", 0, turns_away=AssociateRJ.NO_REASON),
    "rejects-context": _dicom("rejects", 0, turns_away=AssociateRJ.APPLICATION_CONTEXT_NOT_SUPPORTED),
    "tls-mutual": _dicom("needs-certificate", 0, tls=Tls.MUTUAL),
}


def _plays(verdict: str, *names: str, levels: tuple[int, ...] = (0,), **more: Any) -> dict[str, Kind]:
    return {name: Kind(faults.playing(name), verdict, levels, **more) for name in names}


FAULTY: Final[dict[str, Kind]] = {
    **_plays("misbehaves", "torn", "half-answer", "foreign-context", "foreign-syntax", "tarpit"),
    **_plays("misbehaves", "four-gigabytes", "mirror", "tls-stalls"),
    # A right answer comes first.
    **_plays(
        "misbehaves",
        "long-data",
        "endless-command",
        "empty-fragments",
        "unasked-responses",
        levels=(1,),
        checks=("D01", "D02", "D03", "T01", "F01"),
        product="dcmtk",
    ),
    "endless-find": _dicom("misbehaves", 3, 4, endless=True, holding=_HELD, exact=False, dated=False),
    **_plays("silent", "mute", "hangs-up", "hangs-up-when-asked"),
    **_plays("aborts", "aborts", checks=("D01",)),
    **_plays("not-dicom", "garbage", "ssh", "smtp", "ftp", "telnet", "http-only", "tls-alert"),
}


def _web(verdict: str, name: str, *, level: int = 0, **more: Any) -> Kind:
    plays = partial(http.WebPeer, site=pages.SITES[name])
    return Kind(plays, verdict, (level,), role="web", **{"holding": _HELD, **more})


def _counted(name: str, product: str, *checks: str) -> Kind:
    return _web("web-open", name, level=4, product=product, checks=checks)


def _answers(name: str, *checks: str, product: str = "") -> Kind:
    return _web("web-open", name, level=3, checks=("W01", *checks), exact=False, dated=False, product=product)


def _viewer(name: str, product: str, check: str = "W08") -> Kind:
    return _web("web-viewer", name, product=product, checks=(check,), holding=None)


WEB: Final[dict[str, Kind]] = {
    "qido-open": _answers("qido-open", "W05"),
    "qido-no-content": _answers("qido-no-content"),
    "qido-cors-any": _answers("qido-cors-any", "W05", "W10"),
    "qido-cors-reflected": _answers("qido-cors-reflected", "W05", "W10"),
    "orthanc-rest": _counted("orthanc-rest", "orthanc", "W01", "W03", "F01"),
    "dcm4chee": _counted("dcm4chee", "dcm4chee", "W01", "W02", "W05", "W06"),
    "ohif": _answers("ohif", "W05", "W07", product="ohif"),
    "ohif-elsewhere": _viewer("ohif-elsewhere", "ohif", "W07"),
    "dcm4chee-ui-only": _viewer("dcm4chee-ui-only", "dcm4chee", "W06"),
    "meddream": _viewer("meddream", "meddream"),
    "oviyam": _viewer("oviyam", "oviyam"),
    "weasis": _viewer("weasis", "weasis"),
    "conquest": _viewer("conquest", "conquest"),
    "dicoogle": _viewer("dicoogle", "dicoogle"),
    "clearcanvas": _viewer("clearcanvas", "clearcanvas"),
    "listing-apache": _web("web-listing", "listing-apache", checks=("W09",), holding=None),
    "listing-python": _web("web-listing", "listing-python", checks=("W09",), holding=None),
    "qido-basic": _web("web-protected", "qido-basic"),
    "qido-bearer": _web("web-protected", "qido-bearer"),
    "qido-digest": _web("web-protected", "qido-digest"),
    "orthanc-rest-password": _web("web-protected", "orthanc-rest-password", product="orthanc"),
    "orthanc-rest-default-password": _web(
        "web-protected", "orthanc-rest-default-password", product="orthanc", checks=("W04", "F01")
    ),
    "says-yes": _web("web", "says-yes", holding=None),
    "one-page": _web("web", "one-page", holding=None),
    "plain-web": _web("web", "plain-web", holding=None),
    "redirect-loop": _web("web", "redirect-loop", holding=None),
    "redirect-away": _web("web", "redirect-away", holding=None),
    **{name: Kind(http.flooding(name), "web-misbehaves", role="web") for name in http.FLOODS},
}

BESIDE: Final[dict[str, Kind]] = {
    **_plays("tcp-open", "hl7", role="hl7", checks=("N01",)),
    **_plays("tcp-open", "database", role="database", checks=("N02",)),
}

KINDS: Final[Mapping[str, Kind]] = {**OPEN, **HONEYPOTS, **CLOSED, **FAULTY, **WEB, **BESIDE}
