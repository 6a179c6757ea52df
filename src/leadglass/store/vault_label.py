"""The label on a folder of back-ups: whose they are, and in which format.

It holds the text of the home's own file, so that the recovery key opens the master key without anything else.
Whether that text is true shows when a key opens it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from leadglass.errors import Conflict, HomeNewer, NotFound, Tampered
from leadglass.store.vault_files import READ, WRITE, sync_folder, target_error

FORMAT: Final = 1
LABEL: Final = "leadglass-backup.json"
WHAT: Final = "back-ups of a Leadglass home"
OBJECTS, GENERATIONS, LOCK = "objects", "generations", "lock"

_OURS: Final = frozenset({LABEL, f".{LABEL}.new", OBJECTS, GENERATIONS, LOCK, "lost+found"})
_LONGEST: Final = 16_384  # bytes


def opened_folder(root: Path) -> int:
    """Its descriptor. NotFound when there is no such folder."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise NotFound(f"There is no folder {root}. Is its disk there?", code="no-backup") from None
        raise target_error(error) from error


def prepare(root: Path, descriptor: int, home_text: str) -> None:
    """Label an empty folder, or see that this is the home's own; Conflict, and nothing touched, else."""
    there = set(os.listdir(descriptor))
    text = read(descriptor) if LABEL in there else None
    if text is None:
        if there - _OURS or there & {OBJECTS, GENERATIONS}:
            raise Conflict(
                f"{root} holds something else. A back-up needs an empty folder, or the one of this home.",
                code="backup-other",
            )
        _write(descriptor, home_text)
    elif home_text_of(text) != home_text:
        raise Conflict(f"{root} holds another home's back-ups. Nothing was touched.", code="backup-other")
    for name in (OBJECTS, GENERATIONS):
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=descriptor)
    sync_folder(descriptor)


def read(descriptor: int) -> bytes | None:
    """The label as it lies there; None when there is none."""
    try:
        file = os.open(LABEL, READ, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    try:
        return os.read(file, _LONGEST)
    finally:
        os.close(file)


def _write(descriptor: int, home_text: str) -> None:
    members: dict[str, Any] = {"format": FORMAT, "what": WHAT, "home": home_text}
    temporary = f".{LABEL}.new"
    with open(os.open(temporary, WRITE, 0o600, dir_fd=descriptor), "w", encoding="ascii") as file:
        file.write(json.dumps(members, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, LABEL, src_dir_fd=descriptor, dst_dir_fd=descriptor)


def home_text_of(label: bytes) -> str:
    """What the label says; whether it is true shows when a key opens it."""
    try:
        members = json.loads(label)
        version, text = members["format"], members["home"]
        if members["what"] != WHAT or type(version) is not int or not isinstance(text, str):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Tampered(f"{LABEL} in the back-up is damaged.", code="backup-label") from None
    if version > FORMAT:
        raise HomeNewer(
            f"These back-ups have format {version}; this version of Leadglass reads up to {FORMAT}. "
            "Install the version that wrote them. Nothing was touched."
        )
    return text
