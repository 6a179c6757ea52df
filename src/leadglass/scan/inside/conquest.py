"""Conquest's dicom.ini, dgatesop.lst and acrnema.map, as its source reads them.

dgatesop.lst is what lets in: a line `name title RemoteAE` lists a caller, `name title LocalAE` a title under
which the server may be called, and without such a line anybody is. acrnema.map says where a C-MOVE may go; an
entry with * for its host sends to whoever calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from leadglass.scan.inside.prediction import (
    WELL_KNOWN,
    Cause,
    Door,
    Expected,
    Knows,
    Prediction,
    lines_of,
    nothing,
    port_of,
    shown,
    text_of,
)
from leadglass.scan.observation import Level

_DEFAULT_PORT: Final = 5678  # of the configuration that its installation writes
_INI: Final = re.compile(r"\s*(?P<name>\w+)\s*=\s*(?P<value>\S*)", re.ASCII)
_SECTION: Final = re.compile(r"\s*\[(\w+)\]", re.ASCII)
_SOP: Final = re.compile(r"\s*(\S+)\s+(\S+)\s+(\S+)", re.ASCII)
_MAP: Final = re.compile(r"\s*(?P<title>\S+)\s+(?P<host>\S+)\s+(?P<port>\S+)", re.ASCII)


@dataclass(slots=True)
class _Files:
    """`callers` and `titles`: what dgatesop.lst lists; None where there is no such file."""

    ini: str = ""
    port: int = _DEFAULT_PORT
    title: Cause | None = None
    sops: str = ""
    callers: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    wildcards: list[Cause] = field(default_factory=list)


def read(files: Mapping[str, bytes]) -> Prediction:
    """Files are told apart by their names, `.ini`, `.lst` and `.map`."""
    found, unread = _Files(), []
    for name, content in files.items():
        reader = _READERS.get(PurePosixPath(name.lower().replace("\\", "/")).suffix)
        if reader is None:
            unread.append(name)
        else:
            reader(found, name, content)
    if not found.ini:
        raise nothing("A Conquest configuration begins with its dicom.ini, section [sscscp].")
    return Prediction("conquest", (_door(found),), tuple(unread))


def _read_ini(found: _Files, name: str, content: bytes) -> None:
    section = ""
    for number, line in lines_of(name, content):
        begins, setting = _SECTION.match(line), _INI.match(line)
        if begins:
            section = begins[1].lower()
        if section != "sscscp":
            continue
        found.ini = name
        if setting and setting["name"].lower() == "tcpport":
            found.port = port_of(setting["value"]) or found.port
        elif setting and setting["name"].lower() == "myacrnema":
            found.title = Cause(name, number, "MyACRNema", shown(setting["value"], 16))


def _read_sops(found: _Files, name: str, content: bytes) -> None:
    found.sops = name
    lists = {"remoteae": found.callers, "localae": found.titles}
    for _, line in lines_of(name, content):
        match = None if line.startswith("#") else _SOP.match(line)
        if match and match[3].lower() in lists:
            lists[match[3].lower()].append(match[2])


def _read_map(found: _Files, name: str, content: bytes) -> None:
    text = "".join(_without_comments(text_of(name, content)))
    for number, line in lines_of(name, text.encode("utf-8")):
        match = _MAP.match(line)
        if match and match["host"] == "*":
            found.wildcards.append(Cause(name, number, shown(match["title"], 16), "*"))


def _without_comments(text: str) -> Iterator[str]:
    """Lines stay where they are. A comment that does not end goes to the end."""
    at = 0
    while (begins := text.find("/*", at)) >= 0:
        yield text[at:begins]
        ends = text.find("*/", begins + 2)
        at = len(text) if ends < 0 else ends + 2
        yield "\n" * text.count("\n", begins, at)
    yield text[at:]


_READERS: Final = {".ini": _read_ini, ".lst": _read_sops, ".map": _read_map}


def _door(found: _Files) -> Door:
    titles = (found.title.value,) if found.title else ()
    if found.callers:
        return Door("dicom", found.port, titles, Level.CLOSED, Level.CLOSED, ())
    named = bool(found.titles)
    level = Level.CLOSED if named else Level.ANSWERS
    return Door("dicom", found.port, titles, level, Level.ANSWERS, tuple(_granted(found, named)))


def _granted(found: _Files, named: bool) -> Iterator[Expected]:
    knows = Knows.TITLE if named else Knows.NOTHING
    certain = bool(found.sops)  # without the file nobody knows what it lists
    caller = Cause(found.sops or found.ini, 0, "RemoteAE", "-")
    if not named:
        yield Expected("D02", knows, Cause(found.sops or found.ini, 0, "LocalAE", "-"), certain)
    elif found.title and found.title.value in WELL_KNOWN:
        yield Expected("D04", knows, found.title, certain)
    for check in ("D03", "D06", "D09", "T01"):
        yield Expected(check, knows, caller, certain)
    yield Expected("D08", knows, found.wildcards[0] if found.wildcards else caller, certain)
