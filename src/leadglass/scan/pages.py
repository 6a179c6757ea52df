"""What is read off an HTTP answer: a product, a number of members, links. Nothing is kept as it came."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from leadglass.scan.http import Reply
from leadglass.scan.observation import Value, product
from leadglass.scan.words import STATISTICS, Fault, Marker

ORIGIN: Final = "https://leadglass-scan.invalid"  # nobody's (RFC 2606)
_MOST_LINKS: Final = 64  # whose digests are kept
_LINK: Final = re.compile(rb"""href\s*=\s*["']?([^"'\s>]{1,512})""", re.IGNORECASE)
_IMAGE: Final = re.compile(rb"(\.dcm|\.dicom|\.ima|(^|/)DICOMDIR)$", re.IGNORECASE)
_ROOT: Final = re.compile(rb"""(?:qido|wado|wadoUri)Root["']?\s*:\s*["']([^"']{1,256})["']""", re.IGNORECASE)
_PATH: Final = re.compile(r"/[A-Za-z0-9._/-]{0,40}", re.ASCII)
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9.+-]+", re.ASCII)
_METHODS: Final = frozenset({"get", "head", "post", "put", "delete", "options", "patch"})

# A product's own words on its pages and in its headers; each is looked for in what is lower-cased.
_ON_PAGE: Final = (
    (Marker.OHIF, rb"ohif[- ]?viewer|<title>\s*ohif"),
    (Marker.DCM4CHEE, rb"dcm4chee"),
    (Marker.MEDDREAM, rb"meddream"),
    (Marker.OVIYAM, rb"oviyam"),
    (Marker.WEASIS, rb"weasis-pacs-connector|<title>\s*weasis"),
    (Marker.CONQUEST, rb"conquest dicom"),
    (Marker.DICOOGLE, rb"<title>\s*dicoogle"),
    (Marker.CLEARCANVAS, rb"clearcanvas"),
    (Marker.ORTHANC, rb"<title>\s*orthanc"),
)
_PATTERNS: Final = tuple((marker, re.compile(pattern)) for marker, pattern in _ON_PAGE)


def common(reply: Reply) -> dict[str, Value]:
    """What every answer tells: status, type, size, server, which pages may read it, how to be let in."""
    headers = reply.headers
    told: dict[str, Value] = {
        "status": reply.status,
        "bytes": len(reply.body),
        "connect_us": reply.connect_us,
        "answer_us": reply.answer_us,
        "allow_origin": _origin(headers.get("access-control-allow-origin")),
        "realm": _realm(headers.get("www-authenticate")),
    }
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if len(kind) <= 64 and _TYPE.fullmatch(kind):
        told["type"] = kind
    if server := product(headers.get("server")):
        told["server"] = server
    if headers.get("access-control-allow-credentials", "").strip().lower() == "true":
        told["allow_credentials"] = True
    if reply.is_endless:
        told["fault"] = Fault.ENDLESS.value
    elif headers.get("content-encoding", "identity").strip().lower() != "identity":
        told["fault"] = Fault.ENCODING.value
    return told


def page(reply: Reply, secret: bytes) -> dict[str, Value]:
    """A page's product, and links to images on it: how many, and keyed digests of their names."""
    told: dict[str, Value] = {}
    body = reply.body.lower()
    found = next((marker for marker, pattern in _PATTERNS if pattern.search(body)), None)
    if found is not None:
        told["marker"] = found.value
    links = [link for link in _LINK.findall(reply.body) if _IMAGE.search(link.partition(b"?")[0])]
    if links:
        told["links"] = len(links)
        told["digests"] = tuple(
            hmac.digest(secret, link, "sha256").hex()[:16] for link in links[:_MOST_LINKS]
        )
    return told


def config(reply: Reply) -> dict[str, Value]:
    """OHIF's configuration, if it is that."""
    return {"marker": Marker.OHIF.value} if b"window.config" in reply.body else {}


def roots(reply: Reply) -> list[str]:
    """DICOMweb roots that a viewer's configuration names on its own host: paths. Others are not its own."""
    found = (match.decode("latin-1") for match in _ROOT.findall(reply.body))
    return list(dict.fromkeys(path.rstrip("/") for path in found if _PATH.fullmatch(path)))


def system(reply: Reply) -> dict[str, Value]:
    """Orthanc's `/system`: that it is one, and its version."""
    members = _object(reply)
    if not isinstance(members.get("DicomAet"), str) or "Version" not in members:
        return {}
    told: dict[str, Value] = {"marker": Marker.ORTHANC.value}
    if version := product(str(members["Version"]), 32):
        told["version"] = version
    return told


def statistics(reply: Reply) -> dict[str, Value]:
    """Orthanc's `/statistics`: four numbers."""
    members = _object(reply)
    counts = [members.get(f"Count{name.capitalize()}") for name in STATISTICS]
    numbers = tuple(each for each in counts if type(each) is int and 0 <= each < 1 << 53)
    return {"counts": numbers} if len(numbers) == len(STATISTICS) else {}


def study_count(reply: Reply) -> dict[str, Value]:
    """dcm4chee's `/studies/count`."""
    number = _object(reply).get("count")
    return {"count": number} if type(number) is int and 0 <= number < 1 << 53 else {}


def methods(reply: Reply) -> dict[str, Value]:
    """What OPTIONS says may be done."""
    names = f"{reply.headers.get('allow', '')},{reply.headers.get('access-control-allow-methods', '')}"
    listed = {name.strip().lower() for name in names.split(",")} & _METHODS
    return {"methods": tuple(sorted(listed))} if listed else {}


def listed(reply: Reply) -> dict[str, Value]:
    """How many members a JSON array has. What is in them is not read."""
    count = members(reply.body) if reply.is_whole else None
    return {} if count is None else {"count": count}


# A string that does not end goes to the end: nothing is looked at twice, whatever the body is.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)


def members(body: bytes) -> int | None:
    """Members of the JSON array that `body` is; None when it is none. Brackets and commas are counted, and
    strings are stepped over undecoded."""
    text = body.strip()
    if not (text.startswith(b"[") and text.endswith(b"]")):
        return None
    depth = commas = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
            if depth == 0 and token.end() != len(text):
                return None
        elif first == ord(b",") and depth == 1:
            commas += 1
    if depth:
        return None
    return commas + 1 if text[1:-1].strip() else 0


def _object(reply: Reply) -> Mapping[str, object]:
    """A small JSON object of names and numbers; empty when it is anything else."""
    if reply.status != 200 or not reply.is_whole:
        return MappingProxyType({})
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return MappingProxyType({})
    return found if isinstance(found, dict) else MappingProxyType({})


def _origin(value: str | None) -> str:
    return {None: "none", "*": "any", ORIGIN: "reflected"}.get(value, "other")


def _realm(value: str | None) -> str:
    scheme = (value or "none").partition(" ")[0].strip().lower()
    return scheme if scheme in {"none", "basic", "bearer", "digest"} else "other"
