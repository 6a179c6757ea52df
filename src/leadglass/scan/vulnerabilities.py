"""What advisories say of versions that programs tell (F01).

Only what can concern a server that answers a stranger over the network, only from CVE records and CSAF, and
only where a program of `fingerprint` tells its version. Left out on purpose: flaws of clients (CVE-2022-2120
and CVE-2026-50003, DCMTK's SCUs), of reading files (CVE-2024-23912 ff., Merge; CVE-2026-32711, pydicom), and
of programs whose version a stranger is not told (Sante PACS, Philips Vue, dcm4chee-arc).

A version is a claim: distributions mend without changing the number (Debian's Orthanc 1.10.1 has the fix of
1.12.0). So a finding says "may", and its owner is told how to make sure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from leadglass.scan.checks import Severity
from leadglass.scan.fingerprint import Identity, Kind, Provenance


@dataclass(frozen=True, slots=True)
class Flaw:
    """Affected: from `since` on, and below `fixed` or up to `last`. `severity` is the record's own (CVSS 3.1
    base); None where the record gives none, which counts as medium."""

    cve: str
    program: str
    summary: str
    source: str
    severity: Severity | None
    since: str = "0"
    fixed: str = ""
    last: str = ""
    service: str = ""  # the part of the program that has it, where it is only one


_H, _C = Severity.HIGH, Severity.CRITICAL
_CERT_CC: Final = "CVE record (CERT/CC VU#536588, 2026-04-14)"
_DCMTK_2022: Final = "CVE record (CISA ICSMA-22-174-01)"
_DCMTK_2026: Final = "CSAF, CISA ICSMA-26-181-01 (2026-06-30)"

FLAWS: Final = (
    Flaw(
        "CVE-2025-0896", "orthanc", "remote access without a password unless one is configured",
        "CVE record (CISA ICSMA-25-037-02)", _C, fixed="1.5.8",
    ),
    Flaw(
        "CVE-2023-33466", "orthanc", "users of the REST API may overwrite any file",
        "CVE record; DSA-5473", None, fixed="1.12.0",
    ),
    Flaw("CVE-2026-5437", "orthanc", "reads beyond its memory in meta-headers", _CERT_CC, _H, last="1.12.10"),
    Flaw("CVE-2026-5438", "orthanc", "a compressed request fills its memory", _CERT_CC, _H, last="1.12.10"),
    Flaw("CVE-2026-5439", "orthanc", "a ZIP file fills its memory", _CERT_CC, _H, last="1.12.10"),
    Flaw("CVE-2026-5440", "orthanc", "a request's length fills its memory", _CERT_CC, _H, last="1.12.10"),
    Flaw("CVE-2026-5441", "orthanc", "an image makes it show its memory", _CERT_CC, _H, last="1.12.10"),
    Flaw("CVE-2026-5442", "orthanc", "an image writes into its memory", _CERT_CC, _C, last="1.12.10"),
    Flaw("CVE-2026-5443", "orthanc", "an image writes into its memory", _CERT_CC, _C, last="1.12.10"),
    Flaw("CVE-2026-5444", "orthanc", "an image writes into its memory", _CERT_CC, _H, last="1.12.10"),
    Flaw("CVE-2026-5445", "orthanc", "an image makes it show its memory", _CERT_CC, _C, last="1.12.10"),
    Flaw("CVE-2022-2119", "dcmtk", "a received object is written where the sender wants", _DCMTK_2022, _H,
         fixed="3.6.7"),
    Flaw("CVE-2022-2121", "dcmtk", "a DICOM file stops it", _DCMTK_2022, _H, fixed="3.6.7"),
    Flaw("CVE-2024-34508", "dcmtk", "a message stops it", "CVE record; DLA 3847-1", None, fixed="3.6.9"),
    Flaw("CVE-2024-34509", "dcmtk", "a message stops it", "CVE record; DLA 3847-1", None, fixed="3.6.9"),
    Flaw("CVE-2026-50254", "dcmtk", "association requests fill its memory", _DCMTK_2026, _H, last="3.7.0",
         service="servers of one process, such as storescp"),
    Flaw("CVE-2026-35505", "dcmtk", "association requests fill its memory", _DCMTK_2026, _H, last="3.7.0",
         service="servers of one process"),
    Flaw("CVE-2026-52868", "dcmtk", "worklists of other departments are read", _DCMTK_2026, _H, last="3.7.0",
         service="its worklist server"),
    Flaw("CVE-2026-44628", "dcmtk", "a worklist query stops it", _DCMTK_2026, _H, last="3.7.0",
         service="its worklist server"),
    Flaw(
        "CVE-2026-56445", "pynetdicom", "a received object is written where the sender wants",
        "CSAF, CISA ICSMA-26-176-01 (2026-06-25)", _C, since="1.0.0", fixed="3.0.4",
        service="its example application qrscp",
    ),
    Flaw(
        "CVE-2023-40150", "meddream", "runs a stranger's program", "CVE record (CISA ICSMA-23-248-01)", _C,
        last="7.2.8.810",
    ),
    Flaw(
        "CVE-2026-12473", "ohif", "a link makes it send a user's token to a stranger",
        "CSAF, CISA ICSMA-26-176-02 (2026-06-25)", _H, last="3.12.0",
    ),
)  # fmt: skip

_VERSION: Final = re.compile(r"\d{1,9}(?:\.\d{1,9}){0,7}", re.ASCII)


def version(text: str) -> tuple[int, ...] | None:
    """1.12.10 as (1, 12, 10), trailing zeros dropped; None for what is no plain version."""
    if not _VERSION.fullmatch(text):
        return None
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def affects(flaw: Flaw, told: str) -> bool:
    """Whether a version lies in the range. One that cannot be read lies in none."""
    mine = version(told)
    if mine is None or mine < _known(flaw.since):
        return False
    return mine < _known(flaw.fixed) if flaw.fixed else mine <= _known(flaw.last)


def flaws(identity: Identity) -> tuple[Flaw, ...]:
    """Nothing for an identity that nobody has verified."""
    if identity.provenance is Provenance.UNVERIFIED:
        return ()
    return _of(identity.program, identity.version)


@lru_cache(maxsize=4096)
def _of(program: str, told: str) -> tuple[Flaw, ...]:
    return tuple(flaw for flaw in FLAWS if flaw.program == program and affects(flaw, told))


def severity(identity: Identity, found: Iterable[Flaw]) -> Severity:
    """Of a finding: high at most, as a version proves nothing; medium for a toolkit inside an unknown
    product, which may not use the part that has the flaw."""
    worst = max((flaw.severity or Severity.MEDIUM for flaw in found), default=Severity.LOW)
    return min(worst, Severity.MEDIUM if identity.kind is Kind.TOOLKIT else Severity.HIGH)


def _known(text: str) -> tuple[int, ...]:
    found = version(text)
    assert found is not None, text
    return found
