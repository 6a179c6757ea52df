"""Findings, doubts, verdicts and grades in words for the owner. Facts come in; nothing is concluded here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from leadglass.dimse.sop_classes import STORAGE
from leadglass.scan.checks import Severity
from leadglass.scan.doubts import Doubt, DoubtKind
from leadglass.scan.findings import Finding
from leadglass.scan.fingerprint import NAMES, Kind
from leadglass.scan.observation import Value
from leadglass.scan.texts import Text, Texts
from leadglass.scan.texts_de import DE
from leadglass.scan.texts_en import EN
from leadglass.scan.verdict import Verdict


class Language(StrEnum):
    EN = "en"
    DE = "de"


TEXTS: Final[Mapping[Language, Texts]] = MappingProxyType({Language.EN: EN, Language.DE: DE})

# Which of a check's sentences its facts call for; those that are not here have one.
VARIANTS: Final[Mapping[str, Callable[[Mapping[str, Value]], str]]] = MappingProxyType(
    {
        "D06": lambda facts: "ignored" if facts["key_ignored"] else "",
        "D10": lambda facts: "ignored" if facts["key_ignored"] else "",
        "W01": lambda facts: "ignored" if facts["key_ignored"] else "",
        "D08": lambda facts: "refused" if facts["refused"] else "",
        "W03": lambda facts: "counted" if "studies" in facts else "",
        "W06": lambda facts: "open" if facts["open"] else "",
        "W07": lambda facts: "open" if facts["open"] else "",
        "W08": lambda facts: "open" if facts["open"] else "",
        "F01": lambda facts: "toolkit" if facts["kind"] == Kind.TOOLKIT else "",
    }
)
_MOST_NAMED: Final = 3  # of a list in a sentence
_WHOLE: Final = 100  # per cent


def title(check: str, language: Language) -> str:
    return _text(check, language).title


def seen(finding: Finding, language: Language) -> str:
    """What was seen, in one or two sentences."""
    return _seen(finding.check, tuple(finding.facts.items()), language)


@lru_cache(maxsize=4096)
def _seen(check: str, facts: tuple[tuple[str, Value], ...], language: Language) -> str:
    """Thousands of hosts have the same said of them, in every report."""
    told, text = dict(facts), _text(check, language)
    variant = VARIANTS[check](told) if check in VARIANTS else ""
    return (text.otherwise[variant] if variant else text.seen).format_map(_filled(told, TEXTS[language]))


def means(check: str, language: Language) -> str:
    return _text(check, language).means


def close(check: str, language: Language) -> str:
    """How it is closed on any product; `remedies` has some products' own words for it."""
    return _text(check, language).close


def severity(how_bad: Severity, language: Language) -> str:
    return TEXTS[language].severities[how_bad]


def verdict(what: Verdict, language: Language) -> str:
    return TEXTS[language].verdicts[what]


def grade_rule(rule: str, language: Language) -> str:
    return TEXTS[language].grades[rule]


def doubt_kind(kind: DoubtKind, language: Language) -> str:
    return TEXTS[language].doubts[kind]


def doubt(what: Doubt, language: Language) -> str:
    """The reason, in a sentence."""
    texts = TEXTS[language]
    filled = _filled(what.facts, texts) | {"doors": _listed(map(str, what.targets), texts), "same": ""}
    studies = what.facts.get("studies")
    if isinstance(studies, int):
        filled["studies"] = _thing("studies", studies, texts)
        filled["same"] = texts.clauses["same"].format_map(filled)
    return texts.reasons[what.reason].format_map(filled)


def number(value: int, language: Language) -> str:
    return _number(value, TEXTS[language])


def count(studies: int, exact: bool, language: Language) -> str:
    """`exactly 60 studies`, `at least 1,200 studies`."""
    return _bounded("studies", studies, exact, TEXTS[language])


def _text(check: str, language: Language) -> Text:
    return TEXTS[language].checks[check]


# --- facts as words --------------------------------------------------------------------------------------


def _filled(facts: Mapping[str, Value], texts: Texts) -> dict[str, str]:
    """Every placeholder that a sentence may have, from the facts there are."""
    filled = {name: _word(value, texts) for name, value in facts.items()}
    for name, render in _RENDER.items():
        if name in facts:
            filled[name] = render(facts[name], facts, texts)
    for name, clause in (("images", "images"), ("people", "people")):
        filled[name] = _clause(clause, facts, texts)
    filled["kinds"] = _kinds(facts, texts)
    for name in ("answer", "connect"):
        if f"{name}_us" in facts:
            filled[name] = _word(facts[f"{name}_us"], texts)
    return filled


def _word(value: Value, texts: Texts) -> str:
    """A word of a list in the language, a number with its separators, anything else as it is."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return _number(value, texts)
    if isinstance(value, tuple):
        return _listed((_word(each, texts) for each in value), texts)
    return texts.words.get(value, value)


def _number(value: int, texts: Texts) -> str:
    return f"{value:,}".replace(",", texts.thousands)


def _listed(words: Iterable[str], texts: Texts) -> str:
    *most, last = words
    return f"{', '.join(most)}{texts.joined}{last}" if most else last


def _thing(name: str, value: int, texts: Texts) -> str:
    one, many = texts.things[name]
    return f"{_number(value, texts)} {one if value == 1 else many}"


def _bounded(name: str, value: int, exact: bool, texts: Texts) -> str:
    return (texts.exactly if exact else texts.at_least).format(n=_thing(name, value, texts))


def _studies(value: Value, facts: Mapping[str, Value], texts: Texts) -> str:
    studies = value if isinstance(value, int) else 0
    return _bounded("studies", studies, facts.get("exact", True) is True, texts)


def _classes(value: Value, _: Mapping[str, Value], texts: Texts) -> str:
    names = [STORAGE.get(str(uid), str(uid)) for uid in value] if isinstance(value, tuple) else []
    if len(names) <= _MOST_NAMED:
        return _listed(names, texts)
    return ", ".join(names[:_MOST_NAMED]) + f" {texts.words['others']}"


def _path(value: Value, _: Mapping[str, Value], __: Texts) -> str:
    """Without the query: a made-up UID says nothing to anybody."""
    return str(value).partition("?")[0] or "/"


def _programs(value: Value, _: Mapping[str, Value], texts: Texts) -> str:
    if isinstance(value, tuple):
        return _listed((NAMES.get(str(each), str(each)) for each in value), texts)
    return _word(value, texts)


def _links(value: Value, _: Mapping[str, Value], texts: Texts) -> str:
    return _thing("links", value if isinstance(value, int) else 0, texts)


def _clause(name: str, facts: Mapping[str, Value], texts: Texts) -> str:
    """`, 900 images`, ` of 21 people`: nothing where it was not counted. Orthanc calls people patients."""
    value = facts.get(name, facts.get({"images": "instances", "people": "patients"}[name]))
    if not isinstance(value, int) or not value:
        return ""
    return texts.clauses[name].format(n=_thing(name, value, texts))


def _kinds(facts: Mapping[str, Value], texts: Texts) -> str:
    kinds, shares = facts.get("kinds"), facts.get("shares")
    if not isinstance(kinds, tuple) or not isinstance(shares, tuple) or not kinds:
        return ""
    records = facts.get("records", 0)
    number = _thing("records", records if isinstance(records, int) else 0, texts)
    names = [_word(str(kind), texts) for kind in kinds]
    clause = "kinds"
    if any(share != _WHOLE for share in shares):
        names = [f"{name} ({share}\N{NO-BREAK SPACE}%)" for name, share in zip(names, shares, strict=False)]
    elif records != 1:
        clause = "kinds-in-all"
    return texts.clauses[clause].format(records=number, kinds=_listed(names, texts))


_RENDER: Final[Mapping[str, Callable[[Value, Mapping[str, Value], Texts], str]]] = {
    "studies": _studies,
    "classes": _classes,
    "path": _path,
    "programs": _programs,
    "links": _links,
}
