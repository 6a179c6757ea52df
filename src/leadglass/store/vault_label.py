"""The label on a folder of back-ups: whose they are, and in which format.

It holds the text of the home's own file, so that the recovery key opens the master key without anything else.
Whether that text is true shows when a key opens it. Each generation has a copy, so that with one small file
not all back-ups are lost.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from leadglass.errors import Conflict, HomeNewer, NotFound, Tampered
from leadglass.store.below import DIRECTORY, READ, WRITE, sync_folder
from leadglass.store.vault_files import target_error

FORMAT: Final = 1
LABEL: Final = "leadglass-backup.json"
WHAT: Final = "back-ups of a Leadglass home"
OBJECTS, GENERATIONS, LOCK = "objects", "generations", "lock"
GENERATION: Final = re.compile(r"(\d{6})-\d{8}T\d{6}Z", re.ASCII)

_OURS: Final = frozenset({LABEL, f".{LABEL}.new", OBJECTS, GENERATIONS, LOCK, "lost+found"})
_LONGEST: Final = 16_384  # bytes
_NEWEST: Final = 8  # generations whose copies are looked at


def opened_folder(root: Path) -> int:
    """Its descriptor. NotFound when there is no such folder."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise NotFound(f"There is no folder {root}. Is its disk there?", code="no-backup") from None
        raise target_error(error) from error


def prepare(root: Path, descriptor: int, home_text: str) -> None:
    """Label an empty folder, or see that this is the home's own; Conflict, and nothing touched, else. A label
    that is gone or altered is written anew where a generation says that it is ours."""
    there = set(os.listdir(descriptor))
    text = read(descriptor) if LABEL in there else None
    if (text is None or _said(text) != home_text) and home_text in copies(descriptor):
        text = write(descriptor, home_text)
    if text is None:
        if there - _OURS or there & {OBJECTS, GENERATIONS}:
            raise Conflict(
                f"{root} holds something else. A back-up needs an empty folder, or the one of this home.",
                code="backup-other",
            )
        write(descriptor, home_text)
        sync_folder(descriptor)
    elif home_text_of(text) != home_text:
        raise Conflict(f"{root} holds another home's back-ups. Nothing was touched.", code="backup-other")
    for name in (OBJECTS, GENERATIONS):
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=descriptor)
    sync_folder(descriptor)


def texts(root: Path, descriptor: int) -> list[str]:
    """What the label says of the home, then what copies of it say that is something else. NotFound when there
    is none, Tampered when none can be read, HomeNewer."""
    label, found = read(descriptor), copies(descriptor)
    if label is None and not found:
        raise NotFound(f"There are no back-ups in {root}.", code="no-backup")
    if label is not None:
        try:
            found.insert(0, home_text_of(label))
        except (Tampered, HomeNewer):
            if not found:
                raise
    return list(dict.fromkeys(found))


def copies(descriptor: int) -> list[str]:
    """What the newest generations say whose they are, the newest first; what is not read is passed over."""
    try:
        folder = os.open(GENERATIONS, DIRECTORY, dir_fd=descriptor)
    except OSError:
        return []
    found: list[str] = []
    try:
        names = sorted(filter(GENERATION.fullmatch, os.listdir(folder)), reverse=True)
        for name in names[:_NEWEST]:
            with suppress(OSError, Tampered, HomeNewer):
                text = _copy(folder, name)
                found += [home_text_of(text)] if text is not None else []
    finally:
        os.close(folder)
    return found


def _copy(generations: int, name: str) -> bytes | None:
    folder = os.open(name, DIRECTORY, dir_fd=generations)
    try:
        return read(folder)
    finally:
        os.close(folder)


def read(descriptor: int) -> bytes | None:
    """A label as it lies in a folder; None when there is none."""
    try:
        file = os.open(LABEL, READ, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    try:
        return os.read(file, _LONGEST)
    except IsADirectoryError:
        return b""  # as good as damaged
    finally:
        os.close(file)


def write(descriptor: int, home_text: str) -> bytes:
    """Durable once its folder is; returns what was written."""
    members: dict[str, Any] = {"format": FORMAT, "what": WHAT, "home": home_text}
    temporary = f".{LABEL}.new"
    content = (json.dumps(members, indent=2) + "\n").encode("ascii")
    with open(os.open(temporary, WRITE, 0o600, dir_fd=descriptor), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, LABEL, src_dir_fd=descriptor, dst_dir_fd=descriptor)
    return content


def says(label: bytes, home_text: str) -> bool:
    """Whether it is whole, of a format we know, and names this home."""
    try:
        return home_text_of(label) == home_text
    except (Tampered, HomeNewer):
        return False


def _said(label: bytes) -> str | None:
    """What it says, None when it is damaged. HomeNewer."""
    try:
        return home_text_of(label)
    except Tampered:
        return None


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
