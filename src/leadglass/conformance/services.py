"""Chapters 1, 4 and 5: what is offered, by which application entity, within what limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from leadglass.access.plans import WORDS
from leadglass.archive.commitment import DELAYS, MOST_ITEMS
from leadglass.archive.selection import MOST_INSTANCES, MOST_STUDIES
from leadglass.conformance.markdown import code, table
from leadglass.dicom.dictionary import uid_name
from leadglass.dimse import sop_classes as uids
from leadglass.index.query import MAX_UIDS, MAX_VALUE_LENGTH, MAX_WILDCARDS
from leadglass.scp.admission import SERVICES

MINUTE: Final = 60_000  # ms

# The application entities: where each is, and what it is for. All bear the archive's AE title.
ENTITIES: Final[Mapping[str, tuple[str, str]]] = {
    "Archive": (
        "the listener for TLS (`dicom.tls_address`)",
        "everything an AE with a certificate is allowed",
    ),
    "Receiver": ("the receive-only listener (`dicom.receive_address`)", "takes objects in; nothing goes out"),
    "Commands": ("`leadglass echo`, `find`, `retrieve`, `send`, `migrate`", "what people ask of others"),
}

# SOP classes the archive uses, and the command that does.
AS_SCU: Final[Mapping[str, str]] = {
    uids.VERIFICATION: "`leadglass echo`",
    uids.PATIENT_ROOT_FIND: "`leadglass find`, `retrieve`, `migrate`",
    uids.STUDY_ROOT_FIND: "`leadglass find`, `retrieve`, `migrate`",
    uids.PATIENT_ROOT_GET: "`leadglass retrieve`",
    uids.STUDY_ROOT_GET: "`leadglass retrieve`, `migrate`",
    uids.PATIENT_ROOT_MOVE: "`leadglass retrieve --move`",
    uids.STUDY_ROOT_MOVE: "`leadglass retrieve --move`, `migrate --move`",
}


def as_scp() -> Iterator[str]:
    """SOP classes the archive provides besides Storage."""
    yield uids.VERIFICATION
    for syntaxes in SERVICES.values():
        yield from syntaxes


def values() -> dict[str, object]:
    return {
        "storage_count": len(uids.STORAGE),
        "service_table": _services(),
        "entities": table(("application entity", "where", "what for"), _entities()),
        "mapping": _mapping(),
        "words": table(("`--allow`", "what it opens"), ((code(word), what) for word, what in WORDS.items())),
        "most_items": f"{MOST_ITEMS:,}",
        "delays": _delays(),
        "commitment_instance": uids.STORAGE_COMMITMENT_INSTANCE,
        "most_uids": f"{MAX_UIDS:,}",
        "most_wildcards": MAX_WILDCARDS,
        "longest": MAX_VALUE_LENGTH,
        "most_studies": f"{MOST_STUDIES:,}",
        "most_instances": f"{MOST_INSTANCES:,}",
    }


def _entities() -> Iterator[tuple[str, str, str]]:
    for name, (where, what) in ENTITIES.items():
        yield f"**{name}**", where, what


def _services() -> str:
    scp = frozenset(as_scp())
    used = [uid for uid in {**dict.fromkeys(as_scp()), **AS_SCU} if uid != uids.VERIFICATION]
    rows = [
        _service("Verification", uids.VERIFICATION, scp),
        (f"Storage: [{len(uids.STORAGE)} SOP classes](#annex-a-storage-sop-classes)", "", "yes", "yes"),
        *(_service(uid_name(uid), uid, scp) for uid in used),
    ]
    return table(("SOP class", "UID", "SCU", "SCP"), rows)


def _service(name: str, uid: str, scp: frozenset[str]) -> tuple[str, str, str, str]:
    return name, code(uid), "yes" if uid in AS_SCU else "no", "yes" if uid in scp else "no"


def _mapping() -> str:
    rows = [
        ("Verification", "SCP", "SCP", "SCU"),
        ("Storage", "SCP; SCU of C-GET and C-MOVE", "SCP", "SCU; SCP of C-GET"),
        ("Storage Commitment", "SCP", "SCP", "no"),
        ("Query", "SCP", "no", "SCU"),
        ("Retrieve", "SCP", "no", "SCU"),
    ]
    return table(("service", *ENTITIES), rows)


def _delays() -> str:
    minutes = [delay // MINUTE for delay in DELAYS]
    words = [f"{each} min" if each < 60 else f"{each // 60} h" for each in minutes]
    return f"{', '.join(words[:-1])} and {words[-1]}"
