"""Lists of hosts that others made: what a scope's `targets.lists` names, and what makes a passive list.

Read within limits, as files from elsewhere are. Whatever is in them, a scope decides what is touched.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from xml.parsers import expat

from leadglass.errors import LimitExceeded, Violation
from leadglass.scan.observation import product
from leadglass.scan.ports import port_of
from leadglass.scan.scope import is_title, named_host

LARGEST: Final = 64 << 20  # bytes of one file
MOST: Final = 1_000_000  # entries of one file
_LONGEST_LINE: Final = 64 << 10
_NO_MORE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Entry:
    """A host by name or address; what else the list says of it. `port` None and '' where it says nothing."""

    host: str
    port: int | None = None
    title: str = ""  # an AE title
    note: str = ""  # what somebody else saw there: a product, a name


def read_list(content: bytes, kind: str = "") -> list[Entry]:
    """The entries of a list of that format, or of the one it looks like. Violation, with the line where there
    is one, for what cannot be read: half a list is not what its owner meant."""
    if len(content) > LARGEST:
        raise LimitExceeded("The list is larger than one is read.", code="list-size")
    kind = kind or recognise(content)
    reader = FORMATS.get(kind)
    if reader is None:
        raise Violation(f"A list is one of {', '.join(FORMATS)}.", code="list-format")
    found: dict[Entry, None] = {}
    for entry in reader(content):
        found[entry] = None
        if len(found) > MOST:
            raise LimitExceeded(f"The list has more than {MOST:,} entries.", code="list-size")
    return list(found)


def recognise(content: bytes) -> str:
    """The format that a list looks like."""
    head = content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    first = head.split(b"\n", 1)[0].strip()
    if head.startswith(b"<"):
        return "nmap"
    if head[:1] in (b"{", b"["):
        return "masscan-json" if head.startswith(b"[") and b'"ports"' in head else "json"
    if first.startswith((b"#masscan", b"open tcp ", b"open udp ")):
        return "masscan"
    cells = re.split("[,;\t]", first.decode("utf-8", "replace"))
    names = {cell.strip().strip('"').lower() for cell in cells}
    if names & {"saddr"}:
        return "zmap"
    if len(names) > 1 and names & _ADDRESSES:
        return "csv"
    return "hosts"


# --- lines --------------------------------------------------------------------------------------------------


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Numbered, without comments, empty ones left out."""
    for number, raw in enumerate(content.split(b"\n"), 1):
        if len(raw) > _LONGEST_LINE:
            raise LimitExceeded(f"Line {number} of the list is longer than one is read.", code="list-line")
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace").partition("#")[0].strip()
        if line:
            yield number, line


def _hosts(content: bytes) -> Iterator[Entry]:
    for number, line in _lines(content):
        try:
            named = named_host(line)
        except Violation as error:
            raise Violation(f"Line {number} of the list: {error}", code="list-line") from None
        yield Entry(named.host, named.ports[0] if named.ports else None)


def _masscan(content: bytes) -> Iterator[Entry]:
    """`open tcp 104 192.0.2.7 1700000000` (masscan -oL)."""
    for number, line in _lines(content):
        words = line.split()
        if len(words) < 4 or words[0] not in {"open", "banner"}:
            raise _bad(number)
        if words[1] == "tcp":
            yield _entry(number, words[3], words[2])


def _zmap(content: bytes) -> Iterator[Entry]:
    """CSV with `saddr`, and `sport` where it is asked for; or one address a line."""
    yield from _table(content, {"saddr": "host", "sport": "port"})


# --- tables -------------------------------------------------------------------------------------------------

# What people call a column, folded to letters.
_ADDRESSES: Final = frozenset(
    {"address", "ip", "ip address", "ipaddress", "host", "hostname", "host name", "server"}
)
_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(_ADDRESSES, "host"),
        **dict.fromkeys(("port", "tcp port", "dicom port", "port number"), "port"),
        **dict.fromkeys(("ae", "ae title", "aetitle", "aet", "ae_title", "called ae"), "title"),
        **dict.fromkeys(("name", "description", "product", "system", "device", "model"), "note"),
    }
)


def _inventory(content: bytes) -> Iterator[Entry]:
    yield from _table(content, _COLUMNS)


def _table(content: bytes, columns: Mapping[str, str]) -> Iterator[Entry]:
    text = content.decode("utf-8-sig", "replace")
    try:
        dialect: Any = csv.Sniffer().sniff(text[:4096], delimiters=",;\t")
    except csv.Error:
        dialect = csv.excel
    csv.field_size_limit(_LONGEST_LINE)
    rows = csv.reader(io.StringIO(text, newline=""), dialect)
    try:
        named = [columns.get(name.strip().lower(), "") for name in next(rows, [])]
        if "host" not in named:
            raise Violation("The list has no column for the host: call it address or host.", code="list-form")
        for row in rows:
            cells = {
                name: cell.strip() for name, cell in zip(named, row, strict=False) if name and cell.strip()
            }
            if cells.get("host"):
                yield _entry(rows.line_num, cells["host"], cells.get("port"), cells)
    except csv.Error:
        raise _bad(rows.line_num) from None


# --- JSON ---------------------------------------------------------------------------------------------------


def _masscan_json(content: bytes) -> Iterator[Entry]:
    """masscan -oJ: [{"ip": …, "ports": [{"port": …, "status": "open"}]}, …]"""
    for at, member in enumerate(_members(content), 1):
        ports = member.get("ports")
        for port in ports if isinstance(ports, list) else ():
            if isinstance(port, dict) and port.get("status", "open") == "open":
                yield _entry(at, str(member.get("ip", "")), port.get("port"))


def _exported(content: bytes) -> Iterator[Entry]:
    """Shodan's and Censys' exports: one object a line, or a list; one entry for each port."""
    for at, member in enumerate(_members(content), 1):
        host = member.get("ip_str") or member.get("ip")
        services = member.get("services")
        if isinstance(services, list):
            for service in services:
                if isinstance(service, dict):
                    yield _entry(at, str(host), service.get("port"), {"note": _said(service)})
        else:
            yield _entry(at, str(host), member.get("port"), {"note": _said(member)})


def _said(member: Mapping[str, Any]) -> str:
    for name in ("product", "extended_service_name", "service_name"):
        if isinstance(member.get(name), str):
            return str(member[name])
    return ""


def _members(content: bytes) -> Iterator[dict[str, Any]]:
    stripped = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    try:
        if stripped.startswith(b"["):
            found = json.loads(stripped)
        else:
            found = [json.loads(line) for line in stripped.split(b"\n") if line.strip()]
    except (ValueError, RecursionError):
        raise Violation("The list is no JSON, or no JSON object a line.", code="list-form") from None
    for member in found:
        if not isinstance(member, dict):
            raise Violation("The list is to hold JSON objects.", code="list-form")
        yield member


# --- XML ----------------------------------------------------------------------------------------------------


def _nmap(content: bytes) -> Iterator[Entry]:
    """nmap -oX: open TCP ports of hosts. Entities are refused: a list of hosts needs none."""
    reader = _Nmap()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.EntityDeclHandler = reader.entity
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise Violation(f"Line {error.lineno} of the list is no XML.", code="list-form") from None
    except (LookupError, ValueError):  # of Python's codecs, for an encoding that is none or has no table
        raise Violation("The list is in an encoding that is not read: UTF-8 is.", code="list-form") from None
    yield from reader.found


class _Nmap:
    def __init__(self) -> None:
        self.found: list[Entry] = []
        self._address = ""
        self._port = ""
        self._open: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "host":
            self._address, self._open = "", []
        elif name == "address" and attributes.get("addrtype") in {"ipv4", "ipv6"}:
            self._address = attributes.get("addr", "")
        elif name == "port":
            self._port = attributes.get("portid", "") if attributes.get("protocol") == "tcp" else ""
        elif name == "state" and attributes.get("state") == "open" and self._port:
            self._open.append(self._port)

    def end(self, name: str) -> None:
        if name == "port":
            self._port = ""
        elif name == "host":
            self.found += [_entry(0, self._address, port) for port in self._open]

    def entity(self, *_: object) -> None:
        raise Violation("The list declares XML entities, and no list of hosts needs any.", code="list-form")


def _entry(
    number: int, host: str, port: object = None, more: Mapping[str, str] = MappingProxyType({})
) -> Entry:
    try:
        named = named_host(host)
        own = port_of(port) if port not in (None, "") else (named.ports[0] if named.ports else None)
    except Violation:
        raise _bad(number) from None
    title = more.get("title", "")
    return Entry(named.host, own, title if is_title(title) else "", product(more.get("note", ""), 64))


def _bad(number: int) -> Violation:
    return Violation(f"Entry {number} of the list names no host, or no port.", code="list-line")


FORMATS: Final[Mapping[str, Callable[[bytes], Iterator[Entry]]]] = MappingProxyType(
    {
        "hosts": _hosts,
        "nmap": _nmap,
        "masscan": _masscan,
        "masscan-json": _masscan_json,
        "zmap": _zmap,
        "csv": _inventory,
        "json": _exported,
    }
)
