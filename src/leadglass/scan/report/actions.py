"""What to do at one port, each thing once: one setting often closes several findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leadglass.scan import wording
from leadglass.scan.checks import Severity
from leadglass.scan.conclusions import Host, Port
from leadglass.scan.findings import Finding
from leadglass.scan.fingerprint import Identity
from leadglass.scan.remedies import remedies
from leadglass.scan.wording import Language


@dataclass(frozen=True, slots=True)
class Action:
    """`about`: the product whose setting it is; else the title of the finding. `checks`: what it closes."""

    about: str
    text: str
    checks: tuple[str, ...]


def actions(host: Host, port: Port, findings: Iterable[Finding], language: Language) -> tuple[Action, ...]:
    """In the order of the findings; nothing for what is merely worth knowing."""
    near = programs(host, port)
    found: dict[str, tuple[str, list[str]]] = {}
    for finding in findings:
        if finding.severity > Severity.INFO:
            known = remedies(finding.check, near, language)
            general = ((wording.title(finding.check, language), wording.close(finding.check, language)),)
            for about, text in known or general:
                found.setdefault(text, (about, []))[1].append(finding.check)
    return tuple(Action(about, text, tuple(checks)) for text, (about, checks) in found.items())


def programs(host: Host, port: Port) -> Sequence[Identity]:
    """Those of the port, then those of its host's others: its web server may tell whose the DICOM port is."""
    others = (each for other in host.ports if other.port != port.port for each in other.identities)
    return (*port.identities, *others)
