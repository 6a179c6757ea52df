"""Web sites of imaging products: enough of each that it is recognised, and the door behind it.

Titles and paths are those of the products; no page lists a patient, but QIDO-RS does when it is asked to.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from estate import markers
from estate.archive import Archive
from estate.http import NOT_FOUND, Page, Reply, Request

JSON: Final = "application/dicom+json"
_MOST: Final = 100  # results of a page, asked for or not


def html(title: str, body: str = "", head: str = "") -> Reply:
    page = f"<!DOCTYPE html><html><head><title>{title}</title>{head}</head><body>{body}</body></html>"
    return Reply(200, page.encode())


def _json(what: object, kind: str = "application/json") -> Reply:
    return Reply(200, json.dumps(what).encode(), kind)


# --- DICOMweb ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dicomweb:
    """QIDO-RS and an offer of STOW-RS under `root`. `no_match`: what a search without results is answered
    with; `counts`: whether `studies/count` is there; `stow` None: OPTIONS is answered with 404."""

    root: str = "/dicom-web"
    no_match: int = 200
    counts: bool = False
    stow: bool | None = True

    def __call__(self, request: Request) -> Reply:
        path = request.path.rstrip("/")
        archive = request.door.archives[0]
        if path == f"{self.root}/studies/count" and self.counts:
            return _json({"count": archive.studies})
        if path != f"{self.root}/studies":
            return NOT_FOUND
        if request.method == "OPTIONS" and self.stow is not None:
            allowed = "GET, POST, OPTIONS" if self.stow else "GET, OPTIONS"
            return Reply(200, headers={"Allow": allowed})
        if request.method != "GET":
            return NOT_FOUND
        found = self._found(archive, request.query)
        if not found:
            return Reply(204) if self.no_match == 204 else Reply(200, b"[]", JSON)
        return _json([_study(archive, study) for study in found], JSON)

    def _found(self, archive: Archive, query: Mapping[str, str]) -> list[int]:
        keys = {_KEYWORDS.get(name.upper(), name): value for name, value in query.items()}
        try:
            limit, offset = int(keys.get("limit", _MOST)), int(keys.get("offset", 0))
            found = archive.matching({k: v.replace(",", "\\") for k, v in keys.items()})
        except ValueError:
            return []
        return list(found[offset : offset + min(limit, _MOST)])


_KEYWORDS: Final = {"0020000D": "StudyInstanceUID", "00080020": "StudyDate", "00100020": "PatientID"}


def _study(archive: Archive, study: int) -> dict[str, Any]:
    person, moment = archive.person_of(study), archive.moment_of(study)
    values = {
        "00080020": ("DA", str(moment // 1_000_000) if moment else None),
        "00080050": ("SH", archive.accession(study)),
        "00080061": ("CS", archive.modality_of(study)),
        "00080090": ("PN", {"Alphabetic": f"{markers.DOCTOR}^{person:07d}"}),
        "00100010": ("PN", {"Alphabetic": archive.patient_name(person)}),
        "00100020": ("LO", archive.patient_id(person)),
        "00100030": ("DA", f"{markers.BORN}{101 + person % 28:04d}"),
        "0020000D": ("UI", archive.uid(study)),
        "00201208": ("IS", archive.images_of(study)),
    }
    return {tag: {"vr": vr, **({"Value": [value]} if value else {})} for tag, (vr, value) in values.items()}


# --- what stands before a site ----------------------------------------------------------------------------


def protected(site: Page, scheme: str, password: tuple[str, str] | None = None) -> Page:
    """401 for whoever does not bring `password`; None: for everybody."""
    wanted = base64.b64encode(":".join(password).encode()).decode() if password else None

    def guard(request: Request) -> Reply:
        brought = request.headers.get("authorization", "")
        if wanted is not None and brought == f"Basic {wanted}":
            return site(request)
        return Reply(401, b"401", headers={"WWW-Authenticate": scheme})

    return guard


def shared(site: Page, *, reflected: bool, credentials: bool) -> Page:
    """With Access-Control-Allow-Origin: any, or whoever asks."""

    def share(request: Request) -> Reply:
        origin = request.headers.get("origin")
        reply = site(request)
        if origin is None:
            return reply
        headers = {"Access-Control-Allow-Origin": origin if reflected else "*"}
        if credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        return replace(reply, headers={**reply.headers, **headers})

    return share


def serving(name: str, site: Page) -> Page:
    """What says in its headers which program it is."""

    def named(request: Request) -> Reply:
        reply = site(request)
        return replace(reply, headers={"Server": name, **reply.headers})

    return named


# --- products ---------------------------------------------------------------------------------------------


def pages(found: Mapping[str, Reply | Page], behind: Page | None = None) -> Page:
    """Pages by their paths, and what is behind all others."""

    def site(request: Request) -> Reply:
        page = found.get(request.path)
        if page is None:
            return NOT_FOUND if behind is None else behind(request)
        return page if isinstance(page, Reply) else page(request)

    return site


def _system(request: Request) -> Reply:
    return _json({
        "ApiVersion": 16, "DatabaseVersion": 6, "DicomAet": "ORTHANC", "DicomPort": 4242,
        "HttpPort": request.door.port, "Name": "Orthanc", "PluginsEnabled": True, "Version": "1.10.1",
    })  # fmt: skip


def _statistics(request: Request) -> Reply:
    archive = request.door.archives[0]
    return _json({
        "CountInstances": archive.images, "CountPatients": archive.people, "CountSeries": archive.studies,
        "CountStudies": archive.studies, "TotalDiskSize": "0", "TotalDiskSizeMB": 0,
        "TotalUncompressedSize": "0", "TotalUncompressedSizeMB": 0,
    })  # fmt: skip


def _to(path: str) -> Page:
    return lambda request: Reply(302, headers={"Location": f"http://{request.host}{path}"})


ORTHANC: Final = pages(
    {
        "/": _to("/app/explorer.html"),
        "/app/explorer.html": html("Orthanc Explorer", '<div data-role="page" id="find-patients"></div>'),
        "/system": _system,
        "/statistics": _statistics,
    },
    Dicomweb(stow=None),
)

_CONFIG: Final = """window.config = {
  routerBasename: '/', showStudyList: true, extensions: [], modes: [],
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'dicomweb',
    configuration: { friendlyName: 'Archive', name: 'ARCHIVE', wadoUriRoot: '%(root)s',
      qidoRoot: '%(root)s', wadoRoot: '%(root)s', imageRendering: 'wadors' },
  }],
  defaultDataSourceName: 'dicomweb',
};
"""
_OHIF: Final = html(
    "OHIF Viewer", '<div id="root"></div>', '<script type="text/javascript" src="/app-config.js"></script>'
)


def ohif(root: str, behind: Page | None = None) -> Page:
    """`root` begins with a slash for this server, else it is another's address."""

    def config(request: Request) -> Reply:
        whole = f"http://{request.host}{root}" if root.startswith("/") else root
        return Reply(200, (_CONFIG % {"root": whole}).encode(), "application/javascript")

    return pages({"/": _OHIF, "/app-config.js": config}, behind)


_UI2: Final = html("dcm4chee-arc-ui", "<app-root></app-root>", '<base href="/dcm4chee-arc/ui2/">')
DCM4CHEE: Final = Dicomweb("/dcm4chee-arc/aets/DCM4CHEE/rs", no_match=204, counts=True)
_CONQUEST: Final = "<h1>Conquest DICOM server - version 1.5.0</h1><p>Data page</p>"


def _listing(style: str) -> Reply:
    names = ["DICOMDIR", *(f"{markers.NAME}_{number:04d}.dcm" for number in range(40)), "readme.txt"]
    links = "\n".join(f'<li><a href="{name}">{name}</a></li>' for name in names)
    return html(style, f"<h1>{style}</h1><ul>{links}</ul>")


SITES: Final[dict[str, Page]] = {
    "qido-open": serving("Jetty(9.4.43)", Dicomweb("/dicomweb")),
    "qido-no-content": Dicomweb("/rs", no_match=204, stow=False),
    "qido-basic": protected(Dicomweb(), 'Basic realm="Archive"'),
    "qido-bearer": protected(Dicomweb(), "Bearer"),
    "qido-digest": protected(Dicomweb(), 'Digest realm="Archive", nonce="1"'),
    "qido-cors-any": shared(Dicomweb(), reflected=False, credentials=False),
    "qido-cors-reflected": shared(Dicomweb(), reflected=True, credentials=True),
    "says-yes": lambda _: Reply(200, b"[]", JSON),
    "one-page": lambda _: html("Welcome", '<div id="app"></div>'),
    "orthanc-rest": serving("Mongoose", ORTHANC),
    "orthanc-rest-password": protected(ORTHANC, 'Basic realm="Orthanc Secure Area"', ("ops", "Xk81-made-up")),
    "orthanc-rest-default-password": protected(
        ORTHANC, 'Basic realm="Orthanc Secure Area"', ("orthanc", "orthanc")
    ),
    "dcm4chee": serving(
        "WildFly/26", pages({"/": html("Welcome to WildFly"), "/dcm4chee-arc/ui2/": _UI2}, DCM4CHEE)
    ),
    "dcm4chee-ui-only": pages({"/dcm4chee-arc/ui2/": _UI2}),
    "ohif": ohif("/pacs/rs", Dicomweb("/pacs/rs")),
    "ohif-elsewhere": ohif("http://192.0.2.17/dicom-web"),
    "meddream": pages({"/": html("MedDream DICOM Viewer", '<div id="meddream"></div>')}),
    "oviyam": pages({"/oviyam2/": html("Oviyam"), "/": html("Apache Tomcat")}),
    "weasis": pages({"/weasis-pacs-connector/": html("weasis-pacs-connector"), "/": html("Apache Tomcat")}),
    "conquest": pages(
        {"/cgi-bin/dgate": html("Conquest DICOM server - version 1.5.0", _CONQUEST), "/": html("IIS")}
    ),
    "dicoogle": pages({"/": html("Dicoogle PACS", '<div id="container">Dicoogle</div>')}),
    "clearcanvas": pages({"/ImageServer/": html("ClearCanvas ImageServer"), "/": html("IIS")}),
    "listing-apache": serving("Apache/2.4.57 (Debian)", pages({"/": _listing("Index of /")})),
    "listing-python": serving(
        "SimpleHTTP/0.6 Python/3.11", pages({"/": _listing("Directory listing for /")})
    ),
    "plain-web": serving("nginx/1.22.1", pages({"/": html("Welcome to nginx!")})),
    "redirect-loop": lambda request: Reply(302, headers={"Location": f"http://{request.host}/again"}),
    "redirect-away": lambda _: Reply(302, headers={"Location": "http://192.0.2.17/"}),
}
