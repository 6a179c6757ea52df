"""What is asked of one open port, and in which protocol next, by what the last answer looked like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from leadglass.scan.manner import Manner
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.ports import Purpose

Ask = Callable[[str, int, Manner], Awaitable[Sequence[Observation]]]


class Language(StrEnum):
    """What a port is asked in."""

    DICOM = "dicom"
    TLS = "tls"  # its versions, then DICOM inside
    WEB = "web"
    WEB_TLS = "web-tls"
    NOTHING = "nothing"  # it is open: that is all


_FIRST: Final[Mapping[Purpose, Language]] = MappingProxyType(
    {
        Purpose.DICOM: Language.DICOM,
        Purpose.DICOM_TLS: Language.TLS,
        Purpose.WEB: Language.WEB,
        Purpose.WEB_TLS: Language.WEB_TLS,
        Purpose.CONNECT: Language.NOTHING,
    }
)
# What somebody who was asked in the wrong language turned out to speak; `inside`: inside TLS.
_THEN: Final[Mapping[tuple[Language, str], Language]] = MappingProxyType(
    {
        (Language.DICOM, "http"): Language.WEB,
        (Language.DICOM, "tls"): Language.TLS,
        (Language.TLS, "http"): Language.WEB,
        (Language.TLS, "dicom"): Language.DICOM,
        (Language.TLS, "http inside"): Language.WEB_TLS,
        (Language.WEB, "dicom"): Language.DICOM,
        (Language.WEB, "tls"): Language.WEB_TLS,
        (Language.WEB_TLS, "http"): Language.WEB,
        (Language.WEB_TLS, "dicom"): Language.DICOM,
        (Language.WEB_TLS, "dicom inside"): Language.TLS,
    }
)
_SAID_NOTHING: Final = frozenset({Outcome.CLOSED, Outcome.MUTE})
# A TLS server closes on an A-ASSOCIATE-RQ, and a DICOM server on a GET, without a word: worth one more try.
_INSTEAD: Final[Mapping[Language, Language]] = MappingProxyType(
    {
        Language.DICOM: Language.TLS,
        Language.TLS: Language.DICOM,
        Language.WEB: Language.DICOM,
        Language.WEB_TLS: Language.WEB,
    }
)


def languages(purpose: Purpose, seen: Sequence[Observation], asked: Sequence[Language]) -> Iterator[Language]:
    """What to ask in next, given what was seen so far; nothing when enough is known. Each at most once."""
    if not asked:
        yield _FIRST[purpose]
        return
    last = asked[-1]
    for each in seen:
        then = _THEN.get((last, _spoken(each)))
        if then is not None and then not in asked:
            yield then
            return
    silent = bool(seen) and all(each.outcome in _SAID_NOTHING for each in seen)
    if silent and last in _INSTEAD and _INSTEAD[last] not in asked:
        yield _INSTEAD[last]


def _spoken(seen: Observation) -> str:
    """The protocol that was heard instead of the one that was asked in; '' for none."""
    word = str(seen.said.get("looks_like", ""))
    return f"{word} inside" if word and seen.said.get("tls") is True else word


async def examine(
    address: str, port: int, purpose: Purpose, manner: Manner, asks: Mapping[Language, Ask]
) -> list[Observation]:
    """Everything that is asked of one open port, in at most three languages."""
    seen: list[Observation] = []
    asked: list[Language] = []
    latest: Sequence[Observation] = ()
    while len(asked) < 3:
        language = next(languages(purpose, latest, asked), None)
        if language is None:
            break
        asked.append(language)
        latest = await asks[language](address, port, manner)
        seen.extend(latest)
    return seen
