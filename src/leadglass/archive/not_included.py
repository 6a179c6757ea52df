"""NOT-INCLUDED.TXT: what of a study is not in its zip, and why, for whoever unpacks it. Names no patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from leadglass.errors import LeadglassError, NotFound, StorageFailed, Violation

NOT_INCLUDED: Final = "NOT-INCLUDED.TXT"

# The narrowest class that fits decides.
_WHY: Final[tuple[tuple[type[LeadglassError], str], ...]] = (
    (NotFound, "was deleted while the zip was made"),
    (StorageFailed, "cannot be read from the archive's disk"),
    (Violation, "cannot be given the identity that its study was corrected to"),
    (LeadglassError, "is damaged or missing on the archive's disk"),
)
_END: Final = """
Everything else is in this zip, byte for byte sound, and the DICOMDIR names only what is.
Tell whoever runs the archive, and have what is missing sent again by whoever made it.
"""


@dataclass(frozen=True, slots=True)
class Missing:
    uid: str  # SOP Instance UID
    error: LeadglassError


def text_of(missing: Sequence[Missing], lost: int, *, of: int) -> bytes:
    """In lines that every system's editor breaks; `of` is how many images the study has."""
    lines = [f"{len(missing) + lost:,} of the {of:,} images of this study are not in this zip.", ""]
    lines += [f"{one.uid}  {_why(one.error)}" for one in missing]
    if lost:
        lines.append(f"{lost:,} more: known to be lost on the archive's disk")
    return "\r\n".join([*lines, *_END.splitlines(), ""]).encode("ascii")


def _why(error: LeadglassError) -> str:
    return next(why for kind, why in _WHY if isinstance(error, kind))
