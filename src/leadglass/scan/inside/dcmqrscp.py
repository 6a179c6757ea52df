"""DCMTK's dcmqrscp.cfg, of which DCMTK 3.6.7 was tried.

Who calls an AE title of the AETable and is among its peers is let in; anybody else is told that the title is
not known, which of the two he got wrong. Access R keeps from storing; W keeps nobody from querying. It knows
no TLS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
)
from leadglass.scan.observation import Level

_DEFAULT_PORT: Final = 104
_ANY: Final = "ANY"
_SETTING: Final = re.compile(r"\s*NetworkTCPPort\s*=\s*(\d+)", re.ASCII)
_TABLE: Final = re.compile(r"\s*(HostTable|VendorTable|AETable)\s+(BEGIN|END)", re.ASCII)
# AETitle  StorageArea  Access  Quota  Peers
_ROW: Final = re.compile(
    r"(?P<title>\S+)\s+(?P<area>\S+)\s+(?P<access>RW|R|W)\s*\([^)]*\)\s*(?P<peers>\S.*)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class _Row:
    title: str
    access: str
    anybody: bool
    cause: Cause


def read(files: Mapping[str, bytes]) -> Prediction:
    rows: list[_Row] = []
    unread: list[str] = []
    port, is_one = _DEFAULT_PORT, False
    for name, content in files.items():
        table = ""
        for number, line in lines_of(name, content):
            text = line.partition("#")[0]
            setting, begins = _SETTING.match(text), _TABLE.match(text)
            if setting and not table:
                port = port_of(setting[1]) or port
            elif begins:
                table, is_one = (begins[1] if begins[2] == "BEGIN" else ""), True
            elif table == "AETable" and text.strip():
                row = _row(name, number, text)
                if row is None:
                    unread.append(f"{name}:{number}")
                else:
                    rows.append(row)
    if not is_one:
        raise nothing("That is no configuration of dcmqrscp.")
    return Prediction("dcmtk", (_door(port, rows),), tuple(unread))


def _row(name: str, number: int, text: str) -> _Row | None:
    match = _ROW.fullmatch(text.strip())
    if match is None:
        return None
    anybody = match["peers"].upper() == _ANY
    title = shown(match["title"], 16)
    cause = Cause(name, number, f"AETable {title}", _ANY if anybody else "peers")
    return _Row(title, match["access"], anybody, cause)


def _door(port: int, rows: list[_Row]) -> Door:
    """A made-up title is in no table, so who knows nothing is turned away."""
    open_rows = [row for row in rows if row.anybody]
    titles = tuple(row.title for row in rows)
    named = Level.ANSWERS if open_rows else Level.CLOSED
    expected = tuple(each for row in open_rows for each in _granted(row))
    return Door("dicom", port, titles, Level.CLOSED, named, expected)


def _granted(row: _Row) -> Iterator[Expected]:
    if row.title in WELL_KNOWN:
        yield Expected("D04", Knows.TITLE, row.cause)
    for check in ("D03", "D06", "D08", *(("D09",) if "W" in row.access else ()), "T01"):
        yield Expected(check, Knows.TITLE, row.cause)
