"""What a language has to have words for. `wording` fills in the facts; `texts_en` and `texts_de` are two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leadglass.scan.checks import Severity
from leadglass.scan.doubts import DoubtKind, Reason
from leadglass.scan.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Text:
    """Of one check: its name for people, what was seen, what that means, how it is closed in general.

    `otherwise`: what was seen under a variant of its facts (`wording.VARIANTS`). Braces hold placeholders.
    """

    title: str
    seen: str
    means: str
    close: str
    otherwise: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Texts:
    """A language. `things`: one and many of what is counted; `words`: of lists, services, reasons, kinds."""

    thousands: str
    joined: str  # between the last two of a list
    exactly: str
    at_least: str
    things: Mapping[str, tuple[str, str]]
    words: Mapping[str, str]
    clauses: Mapping[str, str]
    checks: Mapping[str, Text]
    doubts: Mapping[DoubtKind, str]
    reasons: Mapping[Reason, str]
    verdicts: Mapping[Verdict, str]
    grades: Mapping[str, str]
    severities: Mapping[Severity, str]
