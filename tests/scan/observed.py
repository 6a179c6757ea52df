"""Observations as probes make them, and what real servers were seen to answer (Debian 12, DCMTK 3.6.7)."""

from __future__ import annotations

from typing import Any

from leadglass.dimse import sop_classes
from leadglass.scan.findings import Finding, findings
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.words import About, Cause

NOW = 1_760_000_000_000
HERE = "127.0.0.9"
CALLED = "LGSCAN0123456789"
CALLING = "LGSCANABCDEF0123"
CT = "1.2.840.10008.5.1.4.1.1.2"
SC = "1.2.840.10008.5.1.4.1.1.7"
WORKLIST = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
DCMTK = {
    "implementation_class_uid": "1.2.276.0.7230010.3.0.3.6.7",
    "implementation_version_name": "OFFIS_DCMTK_367",
}
QUERY_RETRIEVE = (
    sop_classes.STUDY_ROOT_FIND,
    sop_classes.PATIENT_ROOT_FIND,
    sop_classes.STUDY_ROOT_MOVE,
    sop_classes.STUDY_ROOT_GET,
)


def seen(probe: str, outcome: Outcome, sent: dict[str, Any] | None = None, **said: Any) -> Observation:
    address = said.pop("address", HERE)
    port = said.pop("port", 104)
    at = said.pop("at", NOW)
    return Observation(probe, address, port, at, said.pop("took_us", 900), outcome, sent or {}, said)


def associate(
    outcome: Outcome = Outcome.ACCEPTED, *, called: str = CALLED, calling: str = CALLING, **said: Any
) -> Observation:
    if outcome is Outcome.ACCEPTED:
        said = {"accepted": (sop_classes.VERIFICATION,), **said}
    return seen("associate", outcome, {"called": called, "calling": calling}, **said)


def named(
    title: str, outcome: Outcome = Outcome.ACCEPTED, *, calling: str = CALLING, **said: Any
) -> Observation:
    return seen("associate-named", outcome, {"called": title, "calling": calling}, **said)


def offers(
    *accepted: str, outcome: Outcome = Outcome.ACCEPTED, called: str = CALLED, **said: Any
) -> Observation:
    sent = {"called": called, "calling": CALLING}
    return seen("offers", outcome, sent, accepted=accepted, **said)


def rejected(result: int, source: int, reason: int, **more: Any) -> Observation:
    return associate(Outcome.REJECTED, result=result, source=source, reason=reason, **more)


def echo(status: int = 0, **more: Any) -> Observation:
    return seen("echo", Outcome.ANSWERED, status=status, **more)


def find(
    outcome: Outcome = Outcome.ANSWERED,
    *,
    probe: str = "find-none",
    keys: tuple[str, ...] = ("study-date",),
    **said: Any,
) -> Observation:
    if outcome is Outcome.ANSWERED:
        said = {"status": 0, "pending": 0, **said}
    if outcome is Outcome.STOPPED:
        said = {"cause": Cause.PENDING.value, "pending": 1, **said}
    return seen(probe, outcome, {"model": sop_classes.STUDY_ROOT_FIND, "keys": keys}, **said)


def count(
    studies: int, *, exact: bool = True, outcome: Outcome = Outcome.ANSWERED, **said: Any
) -> Observation:
    return seen(
        "count", outcome, {"model": sop_classes.STUDY_ROOT_FIND}, studies=studies, exact=exact, **said
    )


def identifiers(**more: Any) -> Observation:
    said = {"records": 3, "kinds": ("name", "birth-date", "patient-id"), "shares": (100, 67, 100), **more}
    return seen("identifiers", Outcome.ANSWERED, {"model": sop_classes.STUDY_ROOT_FIND}, status=0, **said)


def tls(version: str = "1.3", outcome: Outcome = Outcome.SECURED, **said: Any) -> Observation:
    good = {"cipher": "TLS_AES_256_GCM_SHA384", "key_type": "rsa", "key_bits": 3072, "signature": "sha256",
            "begins": NOW - 1000, "expires": NOW + 1000, "self_signed": False, "version": version}  # fmt: skip
    if outcome is Outcome.SECURED:
        said = {**good, **said}
    return seen("tls", outcome, {"version": version}, **said)


def tcp(outcome: Outcome = Outcome.OPEN, **more: Any) -> Observation:
    return seen("tcp", outcome, **more)


def http(
    about: About | str,
    status: int = 200,
    *,
    path: str = "/dicom-web/studies",
    method: str = "get",
    **said: Any,
) -> Observation:
    sent = {"method": method, "path": path, "about": str(about)}
    return seen("http", Outcome.RESPONDED, sent, status=status, **{"port": 8042, **said})


def control(status: int = 404, **more: Any) -> Observation:
    return http(About.CONTROL, status, path="/dicom-web/nowhere", **more)


def qido(status: int = 200, **said: Any) -> Observation:
    return http(About.QIDO, status, **{"type": "application/dicom+json", "count": 0, **said})


def system(**said: Any) -> Observation:
    return http(
        About.ORTHANC_SYSTEM,
        path="/system",
        marker="orthanc",
        version="1.10.1",
        type="application/json",
        **said,
    )


def statistics(
    patients: int, studies: int, series: int = 120, instances: int = 900, **said: Any
) -> Observation:
    return http(
        About.ORTHANC_STATISTICS, path="/statistics", counts=(patients, studies, series, instances), **said
    )


def orthanc_as_packaged(**at: Any) -> list[Observation]:
    """Lets everybody in and takes what they send; aborts the association of who asks it."""
    taken = (sop_classes.VERIFICATION, *QUERY_RETRIEVE, CT, SC, sop_classes.STORAGE_COMMITMENT_PUSH)
    return [
        associate(maximum_length=16384, **DCMTK, **at),
        echo(**at),
        offers(*taken, maximum_length=16384, **DCMTK, **at),
        find(Outcome.ABORTED, **at),
    ]


def dcmqrscp_open(studies: int = 60, **at: Any) -> list[Observation]:
    """As of somebody who knows its AE title, or where it does not ask for it."""
    return [
        associate(maximum_length=16384, **DCMTK, **at),
        echo(**at),
        offers(sop_classes.VERIFICATION, *QUERY_RETRIEVE, CT, SC, maximum_length=16384, **DCMTK, **at),
        find(**at),
        count(studies, queries=1, **at),
    ]


def storescp(**at: Any) -> list[Observation]:
    return [
        associate(maximum_length=16384, **DCMTK, **at),
        echo(**at),
        offers(sop_classes.VERIFICATION, CT, SC, maximum_length=16384, **DCMTK, **at),
    ]


def refuses_strangers(**at: Any) -> list[Observation]:
    return [rejected(1, 1, 3, **at)]


def orthanc_web(**at: Any) -> list[Observation]:
    return [control(**at), qido(**at), system(**at), statistics(21, 60, **at)]


def found(*what: Observation, is_private: bool = True) -> dict[str, Finding]:
    return {each.check: each for each in findings(what, is_private=is_private)}


def checks(*what: Observation, is_private: bool = True) -> set[str]:
    return set(found(*what, is_private=is_private))
