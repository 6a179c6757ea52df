"""Templates, and how names, dates and sizes read to people."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from leadglass.access.policy import Action, narrow
from leadglass.access.principal import Context, Principal, Role
from leadglass.archive.listeners import NAMES as LISTENERS
from leadglass.archive.listeners import sentence
from leadglass.web.assets import HERE, Assets

# Where each right leads; the first that a role has is where it lands.
NAVIGATION: Final = (
    (Action.ARRIVALS_READ, "/arrivals", "Arrivals"),
    (Action.STUDY_SEARCH, "/studies", "Studies"),
    (Action.OBJECT_INGEST, "/upload", "Upload"),
    (Action.ASIDE_REVIEW, "/aside", "Kept aside"),
    (Action.IDENTITY_CORRECT, "/patients", "Patients"),
    (Action.EXPOSURE_READ, "/exposure", "Exposure"),
    (Action.RECORD_READ, "/record", "Record"),
    (Action.SYSTEM_STATUS, "/status", "Status"),
    (Action.USER_MANAGE, "/users", "Users"),
    (Action.USER_MANAGE, "/departments", "Departments"),
)
ROLES: Final[Mapping[str, str]] = {
    Role.RADIOLOGIST: "Radiologist",
    Role.TECHNOLOGIST: "Technologist",
    Role.PACS_ADMINISTRATOR: "PACS administrator",
    Role.AUDITOR: "Auditor",
    Role.SYSTEM_ADMINISTRATOR: "System administrator",
    Role.OPERATOR: "Operator",
    Role.APPLICATION_ENTITY: "DICOM device",
}
ACTIONS: Final[Mapping[str, str]] = {
    "session.open": "signed in",
    "session.close": "signed out",
    "study.search": "searched studies",
    "study.view": "looked at a study",
    "study.retrieve": "retrieved a study",
    "study.send": "had a study sent",
    "study.delete": "deleted a study",
    "study.export": "wrote a study to files",
    "archive.export": "began to write studies to files",
    "object.ingest": "put images in",
    "object.store": "put an image in",
    "remote.search": "asked another archive",
    "migration.run": "moved another archive's images in",
    "record.export": "exported the record",
    "object.compare": "asked whether images are here already",
    "commitment.request": "asked whether images are safe",
    "aside.review": "looked at what was kept aside",
    "identity.review": "looked at patients' identities",
    "identity.correct": "corrected a patient's identity",
    "identity.merge": "merged two patients",
    "identity.move": "moved a study to another patient",
    "identity.undo": "undid a change of identity",
    "identity.dismiss": "said that a doubt is none",
    "study.received": "retrieved a study as it came",
    "arrivals.read": "looked at what came in",
    "aside.accept": "accepted a replacement",
    "aside.store": "stored under a new UID",
    "aside.hand-over": "handed an object over to another department",
    "aside.reject": "rejected and destroyed an object",
    "aside.put-back": "put an earlier version back",
    "aside.versions": "looked at earlier versions",
    "aside.retrieve": "retrieved an earlier version",
    "aside.decide": "decided on what was kept aside",
    "record.read": "read the record",
    "record.verify": "verified the record",
    "system.status": "looked at the status",
    "system.backup": "backed the archive up",
    "system.drill": "tried a back-up out",
    "system.verify": "read the back-ups and compared them",
    "system.restore": "restored the archive from a back-up",
    "exposure.read": "looked at the exposure survey",
    "exposure.retest": "had a port asked again",
    "user.add": "added a user",
    "user.reset": "reset a password",
    "user.disable": "disabled a user",
    "user.enable": "enabled a user again",
    "user.rename": "changed a user's displayed name",
    "user.role": "changed a user's role",
    "user.departments": "changed a user's departments",
    "department.add": "added a department",
    "department.rename": "renamed a department",
    "user.manage": "managed users",
    "token.create": "made an API token",
    "token.revoke": "revoked an API token",
    "ae.add": "added a DICOM device",
    "ae.remove": "removed a DICOM device",
    "ae.certificate": "gave a DICOM device a certificate",
    "ae.manage": "managed DICOM devices",
    "tls.authority": "made the certificate authority",
    "tls.server": "made the archive's certificate",
    "setup.offer": "made a set-up link",
    "setup.redeem": "used the set-up link",
    "store.collect": "removed orphans",
    "index.recount": "counted studies anew",
    "index.correct": "put an index row right",
    "object.lost": "took a lost image out of sight",
    "object.found": "found a lost image again",
    "store.replay": "deleted again what a back-up brought back",
    "listener.shut": "shut a listener that answered strangers",
    "listener.open": "opened a listener again that refuses strangers",
}
_LISTENERS = {
    "web": "Portal",
    "dicomweb": "DICOMweb",
    "command": "Command line",
    "dimse": "DICOM",
    "receive": "Receive-only DICOM",
}
_COUNTED = {  # of a record's counts: one, many
    "rows": ("line", "lines"),
    "studies": ("study", "studies"),
    "frames": ("image shown", "images shown"),
    "headers": ("header", "headers"),
    "instances": ("object", "objects"),
    "objects": ("object", "objects"),
    "unreadable": ("not readable", "not readable"),
}
_SEXES = {"M": "male", "F": "female", "O": "other"}
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # embeddings, overrides, isolates (UAX #9)
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def navigation(who: Principal, context: Context) -> tuple[tuple[str, str], ...]:
    """The (address, label) pairs this principal may follow."""
    return tuple(
        (address, label) for action, address, label in NAVIGATION if not narrow(who, action, context).nothing
    )


class Pages:
    """Renders templates. Autoescape is always on, and an unknown variable is an error, not a blank."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_in_order,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(FILTERS)
        self._environment.globals.update(asset=assets.address, has_asset=assets.has)
        for name in self._environment.list_templates():
            self._environment.get_template(name)  # compiled now, not while the first person waits

    def render(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
    ) -> HTMLResponse:
        text = self._environment.get_template(template).render(**values)
        return HTMLResponse(text, status, headers=headers)


# --- how values read -------------------------------------------------------------------------------------


def _in_order(value: Any) -> Any:
    """What is written into a page, without marks that turn what follows around: an ID would read backwards.

    Scripts from right to left need none of them; the pages isolate each value. Where one is, it shows.
    """
    return _TURNS.sub("\ufffd", value) if type(value) is str and not value.isascii() else value


def person_name(value: str) -> str:
    """`ROTH^ANNA^^Dr.=山田^太郎` → `Roth, Anna, Dr. (山田 太郎)` (PS3.5 6.2.1.1)."""
    groups = [group.strip() for group in value.split("=")[:3]]
    first = _spoken(groups[0])
    others = [" ".join(part for part in group.split("^") if part) for group in groups[1:2] if group]
    if not first:
        return " ".join(others) or "No name"
    return f"{first} ({', '.join(others)})" if others else first


def _spoken(group: str) -> str:
    family, given, middle, prefix, suffix = ([part.strip() for part in group.split("^")] + [""] * 5)[:5]
    first_names = " ".join(_cased(part) for part in (given, middle) if part)
    return ", ".join(part for part in (_cased(family), first_names, _cased(prefix), suffix) if part)


def _cased(part: str) -> str:
    """Capitals are how machines wrote names; whoever chose their own case keeps it."""
    if part != part.upper() or len(part) < 2:
        return part
    return re.sub(r"[^\W\d_]+", lambda word: word[0][0] + word[0][1:].lower(), part)


def day(value: str) -> str:
    """DA (PS3.5 6.2) as ISO 8601; what is no date stays as it is."""
    compact = value.replace(".", "").strip()
    if re.fullmatch(r"\d{8}", compact):
        return f"{compact[:4]}-{compact[4:6]}-{compact[6:]}"
    return value.strip()


def clock_time(value: str) -> str:
    """TM to the minute."""
    compact = value.replace(":", "").strip()
    return f"{compact[:2]}:{compact[2:4]}" if re.match(r"\d{4}", compact) else value.strip()


def age_at(birth_date: str, study_date: str) -> str:
    """Age in the units doctors use: `7 d`, `5 w`, `11 m`, `72 y`; "" when either date is unknown."""
    try:
        born = datetime.strptime(birth_date, "%Y%m%d").replace(tzinfo=UTC)
        seen = datetime.strptime(study_date, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return ""
    days = (seen - born).days
    months = (seen.year - born.year) * 12 + seen.month - born.month - (seen.day < born.day)
    table = ((0, ""), (28, f"{days} d"), (92, f"{days // 7} w"), (730, f"{months} m"))
    return next((text for limit, text in table if days < limit), f"{months // 12} y")


def sex(value: str) -> str:
    return _SEXES.get(value.strip().upper(), "")


def moment(milliseconds: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime(form)


def size(value: int) -> str:
    """Bytes in the largest unit that keeps a whole number in front of the point."""
    amount, unit = float(value), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if unit == 0 or amount >= 100 else f"{amount:.1f} {_UNITS[unit]}"


def hours(value: int) -> str:
    """Hours as people say them: `5 hours`, `3 days`."""
    return counted(value, "hour") if value < 48 else counted(value // 24, "day")


def counted(value: int, one: str, many: str = "") -> str:
    """`1 series`, `2,000 images`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def counts(found: Mapping[str, int]) -> str:
    """A record entry's counts: `3 objects, 1.2 MB`."""
    said = [counted(found[name], *words) for name, words in _COUNTED.items() if found.get(name)]
    return ", ".join([*said, size(found["bytes"])] if found.get("bytes") else said)


FILTERS: Final[Mapping[str, Callable[..., str]]] = {
    "person": person_name,
    "day": day,
    "clock": clock_time,
    "sex": sex,
    "moment": moment,
    "size": size,
    "counted": counted,
    "counts": counts,
    "hours": hours,
    "action": lambda slug: ACTIONS.get(slug, str(slug)),
    "via": lambda slug: _LISTENERS.get(slug, str(slug)),
    "listener": lambda slug: LISTENERS.get(slug, str(slug)),
    "met": sentence,
    "role": lambda slug: ROLES.get(slug, str(slug)),
}
