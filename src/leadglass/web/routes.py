"""Every route, what it needs and who may, as data. Nothing is served that is not in this table.

docs/reference/http.md carries it; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from leadglass.access.policy import Action
from leadglass.web import (
    arrivals,
    aside,
    auth,
    deletion,
    exposure,
    operations,
    patients,
    people,
    portal,
    quicklook,
    record,
    storing,
    studies,
    upload,
)
from leadglass.web.calls import Endpoint
from leadglass.web.gate import DICOMWEB, Door, Needs, Route

_GET, _POST, _READ = ("GET",), ("POST",), ("GET", "HEAD")


def _page(
    path: str, methods: tuple[str, ...], endpoint: Endpoint, needs: Needs | Action, *said: str
) -> Route:
    name, summary = said
    return Route(path, methods, endpoint, needs, Door.PAGES, name, summary)


def _dicomweb(path: str, endpoint: Endpoint, needs: Action, name: str, summary: str) -> Route:
    return Route(DICOMWEB + path, _GET, endpoint, needs, Door.DICOMWEB, name, summary)


def _upload(path: str, endpoint: Endpoint, door: Door, name: str, summary: str) -> Route:
    return Route(path, _POST, endpoint, Action.OBJECT_INGEST, door, name, summary, streams=True)


def _store(path: str, name: str, summary: str) -> Route:
    needs, door = Action.OBJECT_INGEST, Door.DICOMWEB
    return Route(DICOMWEB + path, _POST, storing.store, needs, door, name, summary, streams=True)


_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
_IMAGES, _FRAME = "/series/{series}/images", "/instances/{instance}/frames/{frame}"
_USERS, _USER = Action.USER_MANAGE, "/users/{user}"
_VERSION = "/aside/versions/{version}"
_REVIEW, _DECIDE = Action.ASIDE_REVIEW, Action.ASIDE_DECIDE
_SEARCH, _VIEW, _RETRIEVE = Action.STUDY_SEARCH, Action.STUDY_VIEW, Action.STUDY_RETRIEVE
_DELETE = Action.STUDY_DELETE
_IDENTITY: Final = Action.IDENTITY_CORRECT

ROUTES: Final = (
    _page("/", _GET, portal.landing, Needs.SIGNED_IN, "start", "to the first page of one's role"),
    _page("/sign-in", _GET, auth.sign_in_page, Needs.PUBLIC, "sign-in-page", "the sign-in form"),
    _page("/sign-in", _POST, auth.sign_in, Needs.PUBLIC, "sign-in", "name and password for a session"),
    _page("/sign-out", _POST, auth.sign_out, Needs.SIGNED_IN, "sign-out", "end the session"),
    _page("/set-up", _GET, auth.set_up_page, Needs.PUBLIC, "set-up-page", "page of the one-time set-up link"),
    _page("/set-up", _POST, auth.set_up, Needs.PUBLIC, "set-up", "make the first system administrator"),
    _page("/arrivals", _GET, arrivals.arrivals, Action.ARRIVALS_READ, "arrivals", "what came in"),
    _page("/studies", _GET, portal.studies, _SEARCH, "studies", "newest studies, or a search made before"),
    _page("/studies", _POST, portal.search_studies, _SEARCH, "search-studies", "search the study list"),
    _page("/studies/{study}", _GET, quicklook.study, _VIEW, "study", "a study with its quick look"),
    _page(
        "/studies/{study}/zip", _GET, quicklook.download, _RETRIEVE, "download",
        "the study as a zip with a DICOMDIR",
    ),
    _page("/studies/{study}/delete", _GET, deletion.ask, _DELETE, "delete-page", "what deleting takes"),
    _page("/studies/{study}/delete", _POST, deletion.delete, _DELETE, "delete", "delete a study for good"),
    Route(_IMAGES, _GET, quicklook.images, _VIEW, Door.DATA, "images", "the images of a series, in order"),
    Route(_FRAME, _GET, quicklook.image, _VIEW, Door.DATA, "image", "one frame as JPEG"),
    _page("/upload", _GET, upload.page, Action.OBJECT_INGEST, "upload", "bring images from the browser"),
    _upload("/upload", upload.send, Door.PAGES, "upload-files", "files from a browser without script"),
    _upload("/upload/objects", upload.objects, Door.DATA, "upload-objects", "objects from the upload page"),
    Route(
        "/upload/already", _POST, upload.already, Action.OBJECT_INGEST, Door.DATA, "upload-already",
        "which objects are here already",
    ),
    _page("/patients", _GET, patients.patients, _IDENTITY, "patients", "who may be here twice"),
    _page("/patients", _POST, patients.find_patient, _IDENTITY, "find-patient", "find a patient by ID"),
    _page("/patients/dismiss", _POST, patients.dismiss, _IDENTITY, "dismiss-doubt", "propose it no more"),
    _page("/patients/history", _GET, patients.history, _IDENTITY, "patient-history", "changes of identity"),
    _page("/patients/undo", _POST, patients.undo, _IDENTITY, "undo-change", "say what undoing does; undo"),
    _page("/patients/{patient}", _GET, patients.patient, _IDENTITY, "patient", "one patient, with studies"),
    _page(
        "/patients/{patient}/change", _POST, patients.change, _IDENTITY, "change-patient",
        "say what a merge, correction or move does; do it",
    ),
    _page("/lost", _GET, portal.lost, Action.ASIDE_REVIEW, "lost", "images that are lost or damaged"),
    _page("/aside", _GET, aside.aside, _REVIEW, "aside", "what was kept aside"),
    _page("/aside/together", _GET, aside.together, _DECIDE, "aside-together", "decide on many of them"),
    _page("/aside/together", _POST, aside.decide_together, _DECIDE, "decide-together", "the decision"),
    _page("/aside/versions", _GET, aside.versions, _REVIEW, "versions", "earlier versions of objects"),
    _page(_VERSION, _GET, aside.version_page, _REVIEW, "version", "one of them"),
    _page(_VERSION, _POST, aside.put_back, _DECIDE, "put-back", "show an earlier version again"),
    Route(_VERSION + "/file", _GET, aside.version_file, _REVIEW, Door.DATA, "version-file", "its bytes"),
    _page("/aside/{aside}", _GET, aside.one, _REVIEW, "aside-one", "one of them beside what is here"),
    _page("/aside/{aside}", _POST, aside.decide, _DECIDE, "decide", "the decision on it"),
    _page("/exposure", _GET, exposure.exposure, Action.EXPOSURE_READ, "exposure", "what strangers get"),
    _page("/exposure/again", _POST, exposure.retest, Action.EXPOSURE_RETEST, "retest", "ask a port again"),
    _page("/record", _GET, record.record, Action.RECORD_READ, "record", "the access record"),
    _page("/record", _POST, record.search_record, Action.RECORD_READ, "search-record", "search the record"),
    _page("/status", _GET, portal.status, Action.SYSTEM_STATUS, "status", "how the system is doing"),
    _store("/studies", "stow", "store instances"),
    _store(_STUDY, "stow-study", "store instances of a study"),
    _page("/users", _GET, people.users, _USERS, "users", "the users"),
    _page("/users", _POST, people.add_user, _USERS, "add-user", "add a user; the password is shown once"),
    _page(_USER, _GET, people.user, _USERS, "user", "one user, with their tokens"),
    _page(_USER, _POST, people.change_user, _USERS, "change-user", "change name, role, departments"),
    _page(_USER + "/password", _POST, people.reset_user, _USERS, "reset-user", "make a new password"),
    _page(_USER + "/disable", _POST, people.disable_user, _USERS, "disable-user", "disable the account"),
    _page(_USER + "/enable", _POST, people.enable_user, _USERS, "enable-user", "enable the account again"),
    _page(
        _USER + "/tokens/{token}/revoke", _POST, people.revoke_token, Action.TOKEN_CREATE, "revoke-token",
        "revoke a token",
    ),
    _page("/departments", _GET, people.departments, _USERS, "departments", "the departments"),
    _page("/departments", _POST, people.add_department, _USERS, "add-department", "add a department"),
    _page(
        "/departments/{department}", _POST, people.rename_department, _USERS, "rename-department",
        "rename a department",
    ),
    _dicomweb("/studies", studies.search_for_studies, _SEARCH, "qido-studies", "search for studies"),
    _dicomweb("/series", studies.search_for_series, _SEARCH, "qido-series", "search for series"),
    _dicomweb("/instances", studies.search_for_instances, _SEARCH, "qido-instances", "search for instances"),
    _dicomweb(
        _STUDY + "/series", studies.search_for_series, _SEARCH, "qido-study-series", "search a study's series"
    ),
    _dicomweb(
        _STUDY + "/instances", studies.search_for_instances, _SEARCH, "qido-study-instances",
        "search a study's instances",
    ),
    _dicomweb(
        _SERIES + "/instances", studies.search_for_instances, _SEARCH, "qido-series-instances",
        "search a series' instances",
    ),
    _dicomweb(_STUDY, studies.retrieve, _RETRIEVE, "wado-study", "retrieve a study"),
    _dicomweb(_SERIES, studies.retrieve, _RETRIEVE, "wado-series", "retrieve a series"),
    _dicomweb(_INSTANCE, studies.retrieve, _RETRIEVE, "wado-instance", "retrieve an instance"),
    _dicomweb(
        _STUDY + "/metadata", studies.metadata, _RETRIEVE, "wado-study-metadata", "metadata of a study"
    ),
    _dicomweb(
        _SERIES + "/metadata", studies.metadata, _RETRIEVE, "wado-series-metadata", "metadata of a series"
    ),
    _dicomweb(
        _INSTANCE + "/metadata", studies.metadata, _RETRIEVE, "wado-instance-metadata",
        "metadata of an instance",
    ),
    Route("/healthz", _READ, operations.health, Needs.PUBLIC, Door.OPERATIONS, "health", "200: it serves"),
    Route(
        "/metrics", _GET, operations.metrics, Action.SYSTEM_STATUS, Door.OPERATIONS, "metrics",
        "figures for Prometheus",
    ),
    Route(
        "/static/{hash}/{name:path}", _READ, operations.static, Needs.PUBLIC, Door.OPERATIONS, "static",
        "style sheet, scripts, logo",
    ),
)  # fmt: skip

_PROOFS: Final = {
    Door.PAGES: "session", Door.DATA: "session", Door.DICOMWEB: "session or token", Door.OPERATIONS: "token",
}  # fmt: skip


def routes_markdown() -> str:
    """The table of docs/reference/http.md."""
    lines = ["| path | method | needs | by | what |", "|---|---|---|---|---|"]
    for route in ROUTES:
        public = route.needs is Needs.PUBLIC
        needs = f"`{route.needs}`" if isinstance(route.needs, Action) else str(route.needs)
        proof = "" if public else _PROOFS[route.door]
        methods = ", ".join(route.methods)
        lines.append(f"| `{route.path}` | {methods} | {needs} | {proof} | {route.summary} |")
    return "\n".join(lines)
