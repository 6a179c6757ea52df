"""NOT-INCLUDED.TXT: what of a study is not in its zip, and why, for whoever unpacks it. Names no patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from leadglass.archive.leaving import why_not
from leadglass.errors import LeadglassError

NOT_INCLUDED: Final = "NOT-INCLUDED.TXT"

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
    lines = [f"Not in this zip: {len(missing) + lost:,} of the study's {of:,} images.", ""]
    lines += [f"{one.uid}  {why_not(one.error)}" for one in missing]
    if lost:
        lines.append(f"{lost:,} lost on the archive's disk, as it knows already.")
    return "\r\n".join([*lines, *_END.splitlines(), ""]).encode("ascii", "replace")
