"""Media ranges of an Accept header (RFC 9110 12.5.1) or query parameter (PS3.18 8.3.3.1). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from leadglass.errors import LimitExceeded

LONGEST = 4096  # characters
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (a grammar rule, RFC 9110 5.6.2)
_VALUE = r"[!#$%&'*+.^_`|~0-9A-Za-z/-]+"  # as a token, and the media types that many send unquoted
_PARAMETER = re.compile(rf'\s*;\s*(?:({_TOKEN})\s*=\s*(?:({_VALUE})|"((?:[^"\\]|\\.)*)"))?')
_RANGE = re.compile(rf"\s*({_TOKEN}/{_TOKEN})")
_NEXT = re.compile(r"\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """`kind` in lower case; parameters in the order given, names in lower case, values as they are."""

    kind: str
    parameters: tuple[tuple[str, str], ...] = ()
    quality: float = 1.0

    def parameter(self, name: str) -> str | None:
        return next((value for key, value in self.parameters if key == name), None)


def parse(header: str) -> tuple[MediaRange, ...]:
    """Acceptable ranges, best first. Nothing given means anything (RFC 9110); the unreadable is left out."""
    if len(header) > LONGEST:
        raise LimitExceeded("The Accept header is too long.")
    if not header.strip():
        return (MediaRange("*/*"),)
    ranges: list[MediaRange] = []
    at = 0
    while at < len(header):
        found, at = _one(header, at)
        if found is not None and found.quality > 0:
            ranges.append(found)
    return tuple(sorted(ranges, key=lambda media: -media.quality))


def _one(header: str, at: int) -> tuple[MediaRange | None, int]:
    """The range at `at` and where the next one begins."""
    match = _RANGE.match(header, at)
    if match is None:
        return None, _after_comma(header, at)
    kind, at = match[1].lower(), match.end()
    parameters: list[tuple[str, str]] = []
    while (parameter := _PARAMETER.match(header, at)) is not None:
        at = parameter.end()
        if parameter[1]:
            value = parameter[2] if parameter[2] is not None else re.sub(r"\\(.)", r"\1", parameter[3])
            parameters.append((parameter[1].lower(), value))
    if (end := _NEXT.match(header, at)) is None:
        return None, _after_comma(header, at)
    quality = _quality(dict(parameters).get("q", "1"))
    return MediaRange(kind, tuple(item for item in parameters if item[0] != "q"), quality), end.end()


def _after_comma(header: str, at: int) -> int:
    comma = header.find(",", at)
    return len(header) if comma < 0 else comma + 1


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.\d{0,3})?", text) else 0.0


def takes(ranges: tuple[MediaRange, ...], *kinds: str) -> bool:
    """Would the peer take one of these kinds?"""
    accepted = {media.kind for media in ranges}
    return any({kind, kind.split("/", 1)[0] + "/*", "*/*"} & accepted for kind in kinds)
