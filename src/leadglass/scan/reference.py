"""What the scan concludes from what, as docs/reference/scan-checks.md. A test compares the page with it.

python -m leadglass.scan.reference > docs/reference/scan-checks.md
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Final

from leadglass.scan import wording
from leadglass.scan.archives import NO_CHANCE
from leadglass.scan.checks import CHECKS, Certainty, Check
from leadglass.scan.doubts import DoubtKind, Reason
from leadglass.scan.doubts_port import SIGNATURES
from leadglass.scan.fingerprint import MARKS, NAMES, Provenance, Sign
from leadglass.scan.grade import RULES
from leadglass.scan.observation import Level
from leadglass.scan.verdict import Verdict
from leadglass.scan.vulnerabilities import FLAWS, Flaw
from leadglass.scan.wording import Language

_LEVELS: Final[Mapping[Level, str]] = {
    Level.CLOSED: "closed: nobody was let in",
    Level.ASSOCIATES: "associates: a stranger was let in, with at least one presentation context",
    Level.ECHOES: "echoes: C-ECHO was answered",
    Level.ANSWERS: "answers: a query was answered, proven with one that matches nothing",
    Level.COUNTED: "counted: the number of studies, or a lower bound of it, was found",
}
_SCOPE: Final[Mapping[Level, str]] = {
    Level.CLOSED: "-",
    Level.ASSOCIATES: "associate",
    Level.ECHOES: "associate",
    Level.ANSWERS: "query",
    Level.COUNTED: "count",
}
_CERTAINTY: Final[Mapping[Certainty, str]] = {
    Certainty.PROVEN: "proven: the server did it",
    Certainty.NEGOTIATED: "negotiated: it agreed to it and was not asked to",
    Certainty.POSSIBLE: "possible: something says so",
}
_PROVENANCE: Final[Mapping[Provenance, str]] = {
    Provenance.RUN: "the program was run, and said so",
    Provenance.CODE: "read in its source",
    Provenance.LOG: "seen in a log of a live device",
    Provenance.TABLE: "a public table or document",
    Provenance.UNVERIFIED: "hearsay: it is shown, and nothing rests on it",
}
_SIGNS: Final[Mapping[Sign, str]] = {
    Sign.UID: "Implementation Class UID `{}`",
    Sign.ROOT: "Implementation Class UID `{}…`",
    Sign.VERSION_NAME: "Implementation Version Name `{}…`",
    Sign.MARKER: "its page or answer",
    Sign.SERVER: "`Server: {}…`",
}
_KINDS: Final[Mapping[DoubtKind, tuple[Reason, ...]]] = {
    DoubtKind.HONEYPOT: (
        Reason.ACCEPTS_ANYTHING, Reason.SIGNATURE, Reason.ANY_KEY, Reason.ANY_DATE, Reason.TOO_FAST,
        Reason.ALL_SERVICES, Reason.EVERY_PORT,
    ),
    DoubtKind.TARPIT: (Reason.EVERY_PORT, Reason.STALLS),
    DoubtKind.IMPLAUSIBLE: (Reason.TOO_MANY, Reason.CONTRADICTION),
    DoubtKind.EMPTY: (Reason.NO_STUDIES,),
    DoubtKind.BALANCER: (Reason.CHANGING_PROGRAM, Reason.CHANGING_CERTIFICATE),
    DoubtKind.DUPLICATE: (
        Reason.SAME_COUNT, Reason.SAME_STUDIES, Reason.SAME_FIGURES, Reason.NEARLY_SAME_COUNT,
        Reason.SAME_CERTIFICATE,
    ),
}  # fmt: skip

_PLACEHOLDER: Final = re.compile(r"\{\w+\}")
_PAGE = """\
# What a scan concludes

<!-- Made by `python -m leadglass.scan.reference` from the tables in leadglass/scan. -->

A scan keeps what it sent and what came of it, in numbers, UIDs and words from lists. Everything on this
page is concluded from that alone, anew whenever it is shown.

## Exposure levels

How far a stranger got. A host has the level of its most open port.

{levels}

## Verdicts

What stopped a stranger, or did not; the first that holds, from top to bottom.

{verdicts}

## Checks

Severity: C critical, H high, M medium, L low, I information; two letters are the most and the least it can
be. *Scope*: how far a scope has to reach for it; *opt-in*: what it has to name besides.

{checks}

{certainty}

## Grades

The first rule that holds. A grade says what a stranger gets and not how well a system is run. Who has
nothing open gets none, and who answers in a way that could not be judged gets none until he was asked
again.

{grades}

A network has the grade of its most open host: one archive that answers is enough. Hosts that are likely no
archive (below) are shown apart and do not count.

## Doubts

Who may be fooling the scan. A doubt changes no finding; it says what to think of it and what is counted.
Each is shown with its reason and can be overruled by a person, with a reason and an end; what was overruled
stays so in later runs.

{doubts}

A port is taken for no archive when one such reason is likely, or two are hinted at. Two doors are taken for
one archive when they tell exactly the same number of studies: at one address any number, at several
addresses from {no_chance} on and only by the same program. A second figure that agrees, or one certificate,
makes it certain.

Known honeypots, by what their own source makes them answer:

{signatures}

## Products

By what they say of themselves. A toolkit's name is no product's: Orthanc associates with the name of DCMTK.

{products}

{provenance}

## Known vulnerabilities

Of servers, over the network, and only where the version is told. A version is a claim: distributions mend
without changing it. So a finding of this kind says "may", is never critical, and costs no grade below C.

{flaws}
"""


def checks_markdown() -> str:
    """The whole page."""
    return _PAGE.format(
        levels=_table(["level", ""], ([str(int(level)), text] for level, text in _LEVELS.items())),
        verdicts=_table(
            ["verdict", ""], ([f"`{each}`", wording.verdict(each, Language.EN)] for each in Verdict)
        ),
        checks=_table(
            ["", "check", "severity", "scope", "sent", "proof", "patients"], map(_check, CHECKS.values())
        ),
        certainty=_list(_certainties()),
        grades=_table(["grade", "when", ""], ([r.grade or "-", r.when, f"`{r.id}`"] for r in RULES)),
        doubts=_table(["kind", "reasons"], ([f"`{kind}`", _reasons(kind)] for kind in _KINDS)),
        no_chance=NO_CHANCE,
        signatures=_table(["program", "answers", "source"], map(_signature, range(len(SIGNATURES)))),
        products=_table(["program", "kind", "known by", "how that is known"], _products()),
        provenance=_list(f"*{name}*: {text}" for name, text in _PROVENANCE.items()),
        flaws=_table(["", "program", "versions", "what", "severity", "source"], map(_flaw, FLAWS)),
    )


def _check(check: Check) -> list[str]:
    letters = check.severity.letter + (f" to {check.least.letter}" if check.least is not None else "")
    scope = _SCOPE[check.level] + (f", opt-in: `{check.option}`" if check.option else "")
    name = f"{wording.title(check.id, Language.EN)} (`{check.slug}`)"
    return [check.id, name, letters, scope, check.sends, check.proof, check.untouched]


def _certainties() -> Iterable[str]:
    for certainty, text in _CERTAINTY.items():
        ids = [check.id for check in CHECKS.values() if check.certainty is certainty]
        yield f"*{text}*: {', '.join(ids)}" if certainty is not Certainty.PROVEN else f"*{text}*: the others"


def _reasons(kind: DoubtKind) -> str:
    texts = wording.TEXTS[Language.EN].reasons
    return "<br>".join(f"`{reason}`: {_PLACEHOLDER.sub('…', texts[reason])}" for reason in _KINDS[kind])


def _signature(index: int) -> list[str]:
    mark = SIGNATURES[index]
    said = f"`{mark.implementation_class_uid}`, `{mark.implementation_version_name}`"
    if not mark.implementation_class_uid:
        said = f"no Implementation Class UID, and at most {mark.maximum_length} bytes"
    return [mark.program, f"{said} ({mark.weight.name.lower()})", mark.source]


def _products() -> Iterable[list[str]]:
    for mark in MARKS:
        sign = _SIGNS[mark.sign].format(mark.pattern)
        yield [NAMES[mark.program], mark.kind, sign, f"{mark.provenance}: {mark.source}"]


def _flaw(flaw: Flaw) -> list[str]:
    until = f"below {flaw.fixed}" if flaw.fixed else f"up to {flaw.last}"
    versions = until if flaw.since == "0" else f"{flaw.since}, {until}"
    what = flaw.summary + (f" ({flaw.service})" if flaw.service else "")
    grade = flaw.severity.name.lower() if flaw.severity else "not given"
    return [flaw.cve, NAMES[flaw.program], versions, what, grade, flaw.source]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in lines)


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


if __name__ == "__main__":
    sys.stdout.write(checks_markdown())
