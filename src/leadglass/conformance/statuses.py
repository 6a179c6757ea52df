"""Which statuses the archive returns as SCP, and what it makes of those it is given as SCU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from leadglass.archive.commitment import CLASS_CONFLICT
from leadglass.archive.commitment import NO_SUCH_INSTANCE as NOT_HERE
from leadglass.archive.outcome import Kind, Outcome, sentence
from leadglass.conformance.markdown import hexadecimal, table
from leadglass.dimse.reference import STATUS_HEAD, status_rows
from leadglass.dimse.status import CANCEL, PENDING, PENDING_WITH_WARNING, SUCCESS, Service, meaning
from leadglass.errors import (
    Denied,
    IllegalIdentity,
    LeadglassError,
    LimitExceeded,
    MalformedDataSet,
    Unavailable,
    Violation,
)
from leadglass.index.fitting import Clash
from leadglass.scp import commitment, find, storage, suboperations

Failures = Iterable[tuple[type[LeadglassError], int, str]]
Row = tuple[str, ...]
HEAD: Final = ("code", "category", "name", "when", "Error Comment")

# What leads to a failure that a handler answers with a status, by the class of the exception.
CAUSES: Final[Mapping[type[LeadglassError], str]] = {
    Denied: "whoever asks has no right to it",
    Unavailable: "no room, a disk that keeps nothing, or no access record: nothing is done then",
    storage.NotStorage: "the SOP class of command and context is none of Storage",
    IllegalIdentity: "the SOP class of the command is not its context's, or there is no data set",
    LimitExceeded: "larger, deeper or more than is taken",
    MalformedDataSet: "the identifier is no data set",
    Violation: "it breaks a rule of the service",
    LeadglassError: "anything else that went wrong here",
}


def values() -> dict[str, object]:
    return {"returned": _returned(), "understood": _understood()}


def _returned() -> str:
    """A table for each service that the archive provides."""
    return "\n\n".join(
        f"**{name}**\n\n{table(HEAD, rows)}"
        for name, rows in (
            ("C-ECHO", [_row(Service.GENERAL, SUCCESS, "always")]),
            ("C-STORE", _storage()),
            ("C-FIND", _find()),
            ("C-GET and C-MOVE", _retrieval()),
            ("N-ACTION of Storage Commitment", _commitment()),
            ("Failure Reason (0008,1197) in the N-EVENT-REPORT of Storage Commitment", _reasons()),
            ("any other operation", [_row(Service.GENERAL, 0x0211, "the AE does not perform it")]),
        )
    )


def _understood() -> str:
    """What statuses of other implementations mean to the commands."""
    return "\n\n".join(
        f"**{name}**\n\n{table(STATUS_HEAD, status_rows(service))}"
        for service, name in (
            (Service.GENERAL, "every service"),
            (Service.STORAGE, "C-STORE"),
            (Service.FIND, "C-FIND"),
            (Service.GET, "C-GET"),
            (Service.MOVE, "C-MOVE"),
            (Service.COMMITMENT, "N-EVENT-REPORT of Storage Commitment"),
        )
    )


def _storage() -> Iterator[Row]:
    yield _row(Service.STORAGE, SUCCESS, "the object is here durably; or it was, with the same values")
    for clash in Clash:
        if clash is Clash.HANDED_OVER:
            continue  # by people of the archive: no sender hears of it
        outcome = Outcome(Kind.KEPT_ASIDE, clash=clash)
        yield _row(Service.STORAGE, outcome.status, _within(sentence(clash, whole=True)), outcome.comment)
    yield from _failures(Service.STORAGE, storage.FAILURES)


def _find() -> Iterator[Row]:
    yield _row(Service.FIND, PENDING, "a match")
    yield _row(Service.FIND, PENDING_WITH_WARNING, "a match; a key of the request is not supported")
    yield _row(Service.FIND, SUCCESS, "there are no more")
    yield _row(Service.FIND, CANCEL, "a C-CANCEL came")
    yield _row(Service.FIND, find.CLASS_NOT_SUPPORTED, "the SOP class of the command is not its context's")
    yield from _failures(Service.FIND, find.FAILURES)
    illegal = "a key is missing or has an illegal value; with Offending Element"
    yield _row(Service.FIND, find.DOES_NOT_MATCH, illegal, "Missing or illegal: (its keyword)")


def _retrieval() -> Iterator[Row]:
    of, tally = Service.MOVE, "with the numbers of those completed, failed and with a warning"
    due = f"every {suboperations.EVERY} sub-operations or {suboperations.SECONDS:g} seconds"
    listed = "the same and Failed SOP Instance UID List"
    yield _row(of, PENDING, f"{due}, {tally} and still to come")
    yield _row(of, SUCCESS, f"all were completed, or there was nothing to send; {tally}")
    yield _row(of, suboperations.INCOMPLETE, f"some failed, or were taken with a warning; with {listed}")
    yield _row(of, suboperations.NO_SUBOPERATIONS, f"all failed; with {listed}")
    yield _row(of, CANCEL, f"a C-CANCEL came; with {listed}, and the number still to come")
    yield from _failures(of, suboperations.REFUSALS)
    unknown = "C-MOVE: the destination is no known AE, one that only sends, or has no address here"
    yield _row(of, suboperations.DESTINATION_UNKNOWN, unknown, "Not known as a destination")


def _commitment() -> Iterator[Row]:
    of = Service.COMMITMENT
    yield _row(of, SUCCESS, "the request was taken and decided: the report follows")
    yield _row(of, commitment.NO_SUCH_CLASS, "Requested SOP Class UID is another, or its context's is")
    yield _row(of, commitment.NO_SUCH_INSTANCE, "Requested SOP Instance UID is not the well-known one")
    yield _row(of, commitment.NO_SUCH_ACTION, f"Action Type ID is not {commitment.REQUEST}")
    yield from _failures(of, commitment.REFUSALS)


def _reasons() -> Iterator[Row]:
    of = Service.COMMITMENT_FAILURE
    yield _row(of, NOT_HERE, "it is not here, or not the AE's department's: which of the two is not told")
    yield _row(of, CLASS_CONFLICT, "it is here as an object of another SOP class")


def _failures(service: Service, failures: Failures) -> Iterator[Row]:
    for kind, status, comment in failures:
        yield _row(service, status, CAUSES[kind], comment)


def _row(service: Service, status: int, when: str, comment: str = "") -> Row:
    known = meaning(service, status)
    return hexadecimal(status), known.category.value, known.name, when, comment


def _within(sentences: str) -> str:
    """Sentences as a part of one."""
    return sentences[0].lower() + sentences[1:].rstrip(".").replace(". Kept", "; kept")
