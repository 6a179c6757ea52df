"""What may be done, and which action each DIMSE service asks the policy for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Action(StrEnum):
    STUDY_SEARCH = "study.search"
    STUDY_VIEW = "study.view"
    STUDY_RETRIEVE = "study.retrieve"
    STUDY_SEND = "study.send"
    STUDY_DELETE = "study.delete"
    STUDY_EXPORT = "study.export"
    OBJECT_INGEST = "object.ingest"
    COMMITMENT_REQUEST = "commitment.request"
    ASIDE_REVIEW = "aside.review"
    IDENTITY_CORRECT = "identity.correct"
    STUDY_RECEIVED = "study.received"  # as it came, whatever was corrected since
    ARRIVALS_READ = "arrivals.read"
    ASIDE_DECIDE = "aside.decide"
    ASIDE_HAND_OVER = "aside.hand-over"  # onto the list of that department
    RECORD_READ = "record.read"
    RECORD_VERIFY = "record.verify"
    SYSTEM_STATUS = "system.status"
    SYSTEM_BACKUP = "system.backup"
    EXPOSURE_READ = "exposure.read"
    EXPOSURE_RETEST = "exposure.retest"
    USER_MANAGE = "user.manage"
    TOKEN_CREATE = "token.create"  # noqa: S105 (an action, no secret)
    AE_MANAGE = "ae.manage"


# C-ECHO (PS3.4 Annex A) shows nothing: being a known AE is all that it takes.
SERVICES: Final[Mapping[str, Action | None]] = MappingProxyType(
    {
        "C-ECHO": None,
        "C-STORE": Action.OBJECT_INGEST,
        "C-FIND": Action.STUDY_SEARCH,
        "C-GET": Action.STUDY_RETRIEVE,
        "C-MOVE": Action.STUDY_SEND,
        "N-ACTION": Action.COMMITMENT_REQUEST,
    }
)

# What an AE can be allowed (`leadglass ae add --allow`), word by word.
GRANTS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "store": Action.OBJECT_INGEST,
        "find": Action.STUDY_SEARCH,
        "get": Action.STUDY_RETRIEVE,
        "move": Action.STUDY_SEND,
        "commitment": Action.COMMITMENT_REQUEST,
    }
)
