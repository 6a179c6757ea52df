"""Vectors, and commands of every kind."""

from __future__ import annotations

import struct
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from leadglass.dimse.command import MANDATORY, WITH_DATASET, WITHOUT_DATASET, Command, Field

# A busy machine is no failure.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

FOLDER = Path(__file__).parents[1] / "vectors" / "dimse"


def vectors(name: str, table: str = "vector") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads((FOLDER / name).read_text("utf-8"))[table]
    for row in rows:
        row["bytes"] = bytes.fromhex(row["elements"])
    return rows


def as_command(fields: dict[str, Any]) -> Command:
    """The table of a vector."""
    field = Field(fields.pop("field"))
    return Command(field, **{key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()})


NUMBER = st.integers(0, 0xFFFF)
UID = st.lists(st.integers(0, 99999).map(str), min_size=1, max_size=10).map(".".join)
TITLE = st.from_regex(r"[A-Z0-9_/-]([A-Z0-9 _/-]{0,14}[A-Z0-9_/-])?", fullmatch=True)
COMMENT = st.from_regex(r"([!-\[\]-~]([ -\[\]-~]{0,62}[!-\[\]-~])?)?", fullmatch=True)
TAGS = st.lists(st.integers(0, 0xFFFFFFFF), max_size=20).map(tuple)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "message_id": NUMBER,
    "responding_to": NUMBER,
    "status": NUMBER,
    "affected_sop_class_uid": UID,
    "requested_sop_class_uid": UID,
    "affected_sop_instance_uid": UID,
    "requested_sop_instance_uid": UID,
    "priority": NUMBER,
    "move_destination": TITLE,
    "move_originator_title": TITLE,
    "move_originator_message_id": NUMBER,
    "remaining": NUMBER,
    "completed": NUMBER,
    "failed": NUMBER,
    "warning": NUMBER,
    "offending_elements": TAGS,
    "error_comment": COMMENT,
    "error_id": NUMBER,
    "event_type_id": NUMBER,
    "action_type_id": NUMBER,
    "attribute_identifiers": TAGS,
}


@st.composite
def commands(draw: st.DrawFn, fields: tuple[Field, ...] = tuple(Field)) -> Command:
    """Any legal command: what is mandatory, and any of the rest."""
    field = draw(st.sampled_from(fields))
    has_dataset = field in WITH_DATASET or (field not in WITHOUT_DATASET and draw(st.booleans()))
    chosen = set(MANDATORY[field]) | draw(st.sets(st.sampled_from(sorted(VALUES))))
    values = {name: draw(VALUES[name]) for name in sorted(chosen)}
    return Command(field, has_dataset=has_dataset, **values)


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """(tag, whole element) of an encoded command."""
    found, at = [], 0
    while at < len(data):
        group, element, length = struct.unpack_from("<HHI", data, at)
        found.append((group << 16 | element, data[at : at + 8 + length]))
        at += 8 + length
    return found
