"""The W probes: what a web server shows a stranger, by requests that no patient is an answer to.

First its front page. Then, as far as the scope goes, DICOMweb roots with a study that does not exist, and the
pages by which products are known. One request at a time, each on a connection of its own.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from leadglass.scan import pages
from leadglass.scan.clocks import now, since, ticks
from leadglass.scan.ending import Over
from leadglass.scan.http import Reply, Request, ask
from leadglass.scan.manner import Manner, Option
from leadglass.scan.observation import Level, Observation, Outcome, Value
from leadglass.scan.words import About, Marker

ROOTS: Final = (
    "/dicom-web", "/dicomweb", "/wado-rs", "/rs", "/qido-rs", "/pacs/rs", "/api/dicomweb",
    "/dcm4chee-arc/aets/DCM4CHEE/rs", "",
)  # fmt: skip
# Where a product's own first page is, and never its list of studies.
_PAGES: Final = (
    (About.DCM4CHEE_UI, "/dcm4chee-arc/ui2/"),
    (About.VIEWER, "/viewer/"),
    (About.VIEWER, "/meddream/"),
    (About.VIEWER, "/oviyam2/"),
    (About.VIEWER, "/weasis-pacs-connector/"),
    (About.VIEWER, "/ohif/"),
    (About.VIEWER, "/cgi-bin/dgate"),
    (About.VIEWER, "/ImageServer/"),
)
_CONFIGS: Final = ("/app-config.js", "/viewer/app-config.js", "/ohif/app-config.js")
_LISTINGS: Final = ("/dicom/", "/DICOM/", "/images/")
_MOST_ROOTS: Final = 12  # of those a viewer names besides
# What the product's own documentation says that an installation begins with.
_DEFAULTS: Final[Mapping[Marker, tuple[str, str, str]]] = {Marker.ORTHANC: ("/system", "orthanc", "orthanc")}
_ORTHANC_REALM: Final = "Orthanc"
_DICOM_JSON: Final = {"Accept": "application/dicom+json, application/json;q=0.9", "Origin": pages.ORIGIN}

Reading = Callable[[Reply], Mapping[str, Value]]


@dataclass(slots=True)
class _Visit:
    address: str
    port: int
    manner: Manner
    tls: ssl.SSLContext | None
    clock: Callable[[], int]
    host: str
    seen: list[Observation] = field(default_factory=list)
    began: float = field(default_factory=ticks)

    async def get(
        self,
        about: About,
        path: str,
        read: Reading = lambda _: {},
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> Reply | None:
        """One request and its observation; None when there was no answer in HTTP, or no time is left."""
        if since(self.began) > self.manner.patience.host * 1_000_000:
            return None
        at, started = self.clock(), ticks()
        reply: Reply | None = None
        outcome, said = Outcome.RESPONDED, dict[str, Value]()
        try:
            named = {"Host": self.host} if self.host else {}
            request = Request(method, path, {**named, **(headers or {})})
            reply = await ask(self.address, self.port, request, self.manner, self.tls)
            said = {**pages.common(reply), **read(reply)}
        except Over as over:
            outcome, said = over.ending.outcome, dict(over.ending.said)
        if self.tls is not None:
            said["tls"] = True
        sent: dict[str, Value] = {"method": method.lower(), "path": path, "about": about.value}
        took = since(started)
        self.seen.append(Observation("http", self.address, self.port, at, took, outcome, sent, said))
        return reply

    def made_up(self, purpose: str) -> str:
        """A word nobody has, the same for one purpose, port and run."""
        return self.manner.made_up_title(purpose, self.address, self.port).lower()


async def probe_web(
    address: str,
    port: int,
    manner: Manner,
    *,
    tls: ssl.SSLContext | None = None,
    clock: Callable[[], int] = now,
    host: str = "",
) -> list[Observation]:
    """All that the scope allows to be asked of a web server, as one who knows it by the name `host`
    (HOST:PORT), else by its address. Raises Unavailable only: it is our machine."""
    visit = _Visit(address, port, manner, tls, clock, host)
    front = await visit.get(About.LISTING, "/", lambda reply: pages.page(reply, manner.secret))
    if front is None or front.is_endless:
        return visit.seen
    await _orthanc(visit, front)
    roots = await _viewers(visit)
    await _dicomweb(visit, roots)
    for path in _LISTINGS:
        await visit.get(About.LISTING, path, lambda reply: pages.page(reply, manner.secret))
    return visit.seen


async def _orthanc(visit: _Visit, front: Reply) -> None:
    reply = await visit.get(About.ORTHANC_SYSTEM, "/system", pages.system)
    if reply is None:
        return
    is_orthanc = bool(pages.system(reply))
    if is_orthanc and visit.manner.max_level >= Level.COUNTED:
        await visit.get(About.ORTHANC_STATISTICS, "/statistics", pages.statistics)
    if reply.status == 401 and _ORTHANC_REALM in reply.headers.get("www-authenticate", ""):
        await _credentials(visit, Marker.ORTHANC)


async def _credentials(visit: _Visit, marker: Marker) -> None:
    """One try of what the product's documentation gives, if the scope asks for it by name."""
    if Option.CREDENTIALS in visit.manner.options:
        path, name, password = _DEFAULTS[marker]
        secret = base64.b64encode(f"{name}:{password}".encode()).decode("ascii")
        await visit.get(About.CREDENTIALS, path, pages.system, headers={"Authorization": f"Basic {secret}"})


async def _viewers(visit: _Visit) -> list[str]:
    """Viewers' own pages; the DICOMweb roots that their configurations name on this host."""
    found: list[str] = []
    for path in _CONFIGS:
        reply = await visit.get(About.OHIF_CONFIG, path, pages.config)
        if reply is not None and reply.status == 200 and pages.config(reply):
            found += pages.roots(reply)
    for about, path in _PAGES:
        await visit.get(about, path, lambda reply: pages.page(reply, visit.manner.secret))
    return found[:_MOST_ROOTS]


async def _dicomweb(visit: _Visit, more: Iterable[str]) -> None:
    """A search that nothing can match. Who answers it, and not the path beside it, answers strangers."""
    if visit.manner.max_level < Level.ANSWERS:
        return
    nothing = f"2.25.{int.from_bytes(visit.manner.secret[:8] or b'0', 'big') + 1}"
    for root in dict.fromkeys((*ROOTS, *more)):
        query = f"{root}/studies?limit=1&StudyInstanceUID={nothing}"
        reply = await visit.get(About.QIDO, query, pages.listed, headers=_DICOM_JSON)
        if reply is None or not _is_answer(reply):
            continue
        await visit.get(About.CONTROL, f"{root}/{visit.made_up('control')}")
        await visit.get(About.STOW, f"{root}/studies", pages.methods, method="OPTIONS")
        if visit.manner.max_level >= Level.COUNTED and "dcm4chee" in root:
            await visit.get(About.QIDO_COUNT, f"{root}/studies/count", pages.study_count)


def _is_answer(reply: Reply) -> bool:
    return reply.status == 204 or (reply.status == 200 and bool(pages.listed(reply)))
