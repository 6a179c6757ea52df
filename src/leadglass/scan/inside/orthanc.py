"""An Orthanc configuration. Options and defaults are those of Orthanc 1.10.1, which was also tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from leadglass.scan.inside.jsonc import Located, parse
from leadglass.scan.inside.prediction import (
    WELL_KNOWN,
    Cause,
    Door,
    Expected,
    Knows,
    Prediction,
    nothing,
    port_of,
    shown,
)
from leadglass.scan.observation import Level

_DEFAULTS: Final[Mapping[str, bool | int | str]] = {
    "DicomServerEnabled": True,
    "DicomAet": "ORTHANC",
    "DicomPort": 4242,
    "DicomCheckCalledAet": False,
    "DicomAlwaysAllowEcho": True,
    "DicomAlwaysAllowStore": True,
    "DicomAlwaysAllowFind": False,
    "DicomAlwaysAllowFindWorklist": False,
    "DicomAlwaysAllowGet": False,
    "DicomAlwaysAllowMove": False,
    "DicomTlsEnabled": False,
    "DicomTlsRemoteCertificateRequired": True,
    "HttpServerEnabled": True,
    "HttpPort": 8042,
    "RemoteAccessAllowed": False,
}
# With all of them off, who is not in DicomModalities is rejected (1.10.1: calling AE title not recognised).
_ALWAYS: Final = (
    "DicomAlwaysAllowEcho",
    "DicomAlwaysAllowStore",
    "DicomAlwaysAllowFind",
    "DicomAlwaysAllowFindWorklist",
    "DicomAlwaysAllowGet",
    "DicomAlwaysAllowMove",
)
_DEFAULT_USER: Final = ("orthanc", "orthanc")


@dataclass(frozen=True, slots=True)
class _Options:
    """Of several files the last that has an option holds. A value with ${…} the files do not tell."""

    files: tuple[tuple[str, Located], ...]

    def find(self, name: str) -> tuple[str, Located] | None:
        return next(
            ((file, found) for file, root in reversed(self.files) if (found := root.member(name))), None
        )

    def cause(self, name: str, value: object) -> Cause:
        found = self.find(name)
        said = "true" if value is True else "false" if value is False else shown(str(value))
        return Cause(found[0], found[1].line, name, said) if found else Cause(self.files[0][0], 0, name, said)

    def unread(self) -> Iterator[str]:
        """Options that the files set, but do not tell to what."""
        for name, default in _DEFAULTS.items():
            found = self.find(name)
            if found and ("${" in found[1].text or type(found[1].value) is not type(default)):
                yield f"{found[0]}:{found[1].line} {name}"

    def known(self, name: str) -> bool:
        """Whether the files tell what it is set to, or that it is left at its default."""
        found = self.find(name)
        return found is None or "${" not in found[1].text

    def flag(self, name: str) -> bool:
        found = self.find(name)
        value = found[1].value if found else None
        return value if isinstance(value, bool) else bool(_DEFAULTS[name])

    def text(self, name: str) -> str:
        found = self.find(name)
        return found[1].text if found and self.known(name) else str(_DEFAULTS[name])

    def port(self, name: str) -> int:
        found = self.find(name)
        return (port_of(found[1].value) if found else None) or int(_DEFAULTS[name])

    def expect(
        self, check: str, option: str, value: object, knows: Knows = Knows.NOTHING, certain: bool = True
    ) -> Expected:
        return Expected(check, knows, self.cause(option, value), certain and self.known(option))


def read(files: Mapping[str, bytes]) -> Prediction:
    """`files`: name to content, in the order in which Orthanc merges them. Violation for what is no JSON."""
    roots = tuple((name, parse(name, content)) for name, content in files.items())
    if not roots or not all(isinstance(root.value, dict) for _, root in roots):
        raise nothing("An Orthanc configuration is a JSON object.")
    options = _Options(roots)
    doors = []
    if options.flag("DicomServerEnabled"):
        doors.append(_dicom(options))
    if options.flag("HttpServerEnabled"):
        doors.append(_web(options))
    return Prediction("orthanc", tuple(doors), tuple(options.unread()))


def _dicom(options: _Options) -> Door:
    title, port = shown(options.text("DicomAet"), 16), options.port("DicomPort")
    tls = options.flag("DicomTlsEnabled")
    allowed = {name: options.flag(name) for name in _ALWAYS}
    if (tls and options.flag("DicomTlsRemoteCertificateRequired")) or not any(allowed.values()):
        return Door("dicom", port, (title,), Level.CLOSED, Level.CLOSED, ())
    checked = options.flag("DicomCheckCalledAet")
    named = _level(allowed)
    knows = Knows.TITLE if checked else Knows.NOTHING
    expected = tuple(_granted(options, allowed, title, knows, tls=tls))
    return Door("dicom", port, (title,), Level.CLOSED if checked else named, named, expected)


def _level(allowed: Mapping[str, bool]) -> Level:
    if allowed["DicomAlwaysAllowFind"] or allowed["DicomAlwaysAllowFindWorklist"]:
        return Level.ANSWERS
    return Level.ECHOES if allowed["DicomAlwaysAllowEcho"] else Level.ASSOCIATES


def _granted(
    options: _Options, allowed: Mapping[str, bool], title: str, knows: Knows, *, tls: bool
) -> Iterator[Expected]:
    """What is granted to a caller who is not in DicomModalities. It agrees to more than it does."""
    first = next(name for name, on in allowed.items() if on)
    if knows is Knows.NOTHING:
        yield options.expect("D02", "DicomCheckCalledAet", False)
    elif title in WELL_KNOWN:
        yield options.expect("D04", "DicomAet", title)
    yield options.expect("D03", first, True, knows)
    if allowed["DicomAlwaysAllowFind"]:
        yield options.expect("D06", "DicomAlwaysAllowFind", True, knows)
    if allowed["DicomAlwaysAllowFindWorklist"]:  # answered by a plug-in, if one is there
        yield options.expect("D10", "DicomAlwaysAllowFindWorklist", True, knows, certain=False)
    retrieve = next((n for n in ("DicomAlwaysAllowGet", "DicomAlwaysAllowMove") if allowed[n]), first)
    yield options.expect("D08", retrieve, True, knows)
    store = "DicomAlwaysAllowStore"
    yield options.expect("D09", store if allowed[store] else first, True, knows)
    yield options.expect("D11", first, True, knows)
    if tls:
        yield options.expect("T03", "DicomTlsRemoteCertificateRequired", False, knows)
    else:
        yield options.expect("T01", "DicomTlsEnabled", False, knows)


def _web(options: _Options) -> Door:
    port = options.port("HttpPort")
    if not options.flag("RemoteAccessAllowed"):
        return Door("web", port, (), Level.CLOSED, Level.CLOSED, ())
    asked = options.find("AuthenticationEnabled")
    asks = asked is None or asked[1].value is not False  # since 1.5.8 on by itself where access is remote
    expected = tuple(_users(options) if asks else _open_web(options))
    level = Level.CLOSED if asks else Level.ANSWERS
    return Door("web", port, (), level, level, expected)


def _open_web(options: _Options) -> Iterator[Expected]:
    yield options.expect("W03", "AuthenticationEnabled", False)
    dicom_web = options.find("DicomWeb")
    enabled = dicom_web[1].member("Enable") if dicom_web else None
    if dicom_web and (enabled is None or enabled.value is not False):  # if its plug-in is loaded
        yield options.expect("W01", "DicomWeb", "{…}", certain=False)


def _users(options: _Options) -> Iterator[Expected]:
    """Without users Orthanc makes one whom everybody knows, and says so in its log."""
    users = options.find("RegisteredUsers")
    members = users[1].members if users else {}
    name, password = _DEFAULT_USER
    if not members:
        yield options.expect("W04", "RegisteredUsers", "{}")
    elif name in members and members[name].text == password:
        yield options.expect("W04", "RegisteredUsers", "{…}")
