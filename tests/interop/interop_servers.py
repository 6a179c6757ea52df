"""Real servers as strangers find them, each started on loopback with ports of its own, and what is true of each.

`REAL_SERVERS` is the truth that a scan is held to: levels and verdicts in the words of the estate simulator
(`bench/estate/kinds.py`), checks by their numbers. All is as seen from this machine, with titles nobody
knows, without a certificate or a password. Every server that keeps studies has the same three.

Orthanc's and DCMTK's servers listen on every address of the machine and cannot be told otherwise. What is in
them is made up, and gone with them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import interop_archive
from interop_images import Images
from interop_programs import answers, dcmtk, free_port, listening, program, require, run

HERE = Path(__file__).parent
PACKAGED = Path("/etc/orthanc")
PLUGINS = Path("/usr/share/orthanc/plugins")
STUDIES = 3  # of as many people, two images each


@dataclass(frozen=True, slots=True)
class There:
    """Where a server answers: `port` for DICOM, or whatever it speaks there; `http` for the web."""

    port: int
    http: int | None = None
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a scan has to find. `studies` is None where nothing can be counted; `answers` is how many matches
    a query for all studies has, where that is not one for each: then their number is "at least". What is
    known to be wrong with a version (F01) is not among the `checks`: it goes by the version there is."""

    verdict: str
    level: int = 0
    checks: tuple[str, ...] = ()
    product: str = ""
    studies: int | None = None
    answers: int | None = None

    @property
    def matches(self) -> int:
        return self.answers or self.studies or 0


@dataclass(frozen=True, slots=True)
class RealServer:
    """`named`: what is found by who calls it by one of `titles`, where that is more."""

    name: str
    start: Callable[[Path], AbstractContextManager[There]]
    dicom: Expected
    web: Expected | None = None
    titles: tuple[str, ...] = ()
    named: Expected | None = None
    notes: str = field(default="", compare=False)


def fill(there: There, folder: Path, title: str = "ANY-SCP") -> None:
    """Send it the studies, as a scanner would."""
    for number in range(STUDIES):
        images = Images(folder / f"study{number}", f"real server {number}")
        files = [each.path for each in images.slices(2, size=16)]
        said = run(dcmtk("storescu"), "-aec", title, there.host, there.port, *files)
        assert said.status == 0, said.text


# --- Orthanc ----------------------------------------------------------------------------------------------


@contextmanager
def orthanc(folder: Path, *, dicomweb: bool = False, filled: bool = True, **changed: Any) -> Iterator[There]:
    """Debian's configuration file with free ports, folders of its own, and what is `changed`."""
    command = program("Orthanc", "orthanc")
    require(not dicomweb or any(PLUGINS.glob("*DicomWeb*")), "no DICOMweb plugin. Install orthanc-dicomweb.")
    there = There(free_port(), free_port())
    plugins = folder / "plugins"
    plugins.mkdir()
    for each in PLUGINS.iterdir():
        if dicomweb or "DicomWeb" not in each.name:
            (plugins / each.name).symlink_to(each.resolve())
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(plugins)],
        "DicomPort": there.port,
        "HttpPort": there.http,
        **changed,
    }
    config = folder / "orthanc"
    config.mkdir()
    (config / "orthanc.json").write_text(packaged(settings))
    with listening(command, config, port=there.port, cwd=folder) as made:
        assert there.http is not None
        answers(there.http, made)
        if filled:
            fill(there, folder)
        yield there


def packaged(settings: dict[str, Any]) -> str:
    """The package's own file, comments and all, with these settings in place of its own."""
    text = (PACKAGED / "orthanc.json").read_text(encoding="utf-8")
    for name, value in settings.items():
        text = _with(text, name, json.dumps(value))
    return text


def _with(text: str, name: str, value: str) -> str:
    """A setting stands on a line of its own, with a list or an object behind it over several."""
    a_list, an_object, a_word = r"\[[^\]]*\]", r"\{[^}]*\}", r"[^\[\{\n]*?"
    line = re.compile(rf'^(\s*)"{name}"\s*:\s*(?:{a_list}|{an_object}|{a_word})(,?)\s*$', re.MULTILINE)
    found = line.search(text)
    if found is None:
        return text.replace("{", f'{{ "{name}" : {value},', 1)
    return f'{text[: found.start()]}{found[1]}"{name}" : {value}{found[2]}{text[found.end() :]}'


ANYBODY = {f"DicomAlwaysAllow{what}": True for what in ("Find", "Get", "Move", "FindWorklist")}


def orthanc_packaged(folder: Path) -> AbstractContextManager[There]:
    return orthanc(folder)


def orthanc_open(folder: Path) -> AbstractContextManager[There]:
    return orthanc(folder, **ANYBODY)


def orthanc_password(folder: Path) -> AbstractContextManager[There]:
    return orthanc(
        folder, RemoteAccessAllowed=True, AuthenticationEnabled=True, RegisteredUsers={"ops": "made-up-Xk81"}
    )


def orthanc_dicomweb(folder: Path) -> AbstractContextManager[There]:
    return orthanc(folder, dicomweb=True, **ANYBODY)


# --- DCMTK and pynetdicom ---------------------------------------------------------------------------------


@contextmanager
def dcmqrscp(folder: Path, peers: str) -> Iterator[There]:
    there = There(free_port())
    (folder / "store").mkdir()
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {there.port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\nstation = (STATION, 127.0.0.1, 11112)\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQRSCP {folder / 'store'} RW (200, 1024mb) {peers}\nAETable END\n"
    )
    with listening(dcmtk("dcmqrscp"), "-c", config, port=there.port, cwd=folder):
        if peers == "ANY":
            fill(there, folder, "QRSCP")
        yield there


def dcmqrscp_any(folder: Path) -> AbstractContextManager[There]:
    return dcmqrscp(folder, "ANY")


def dcmqrscp_table(folder: Path) -> AbstractContextManager[There]:
    return dcmqrscp(folder, "station")


@contextmanager
def storescp(folder: Path) -> Iterator[There]:
    there = There(free_port())
    with listening(dcmtk("storescp"), "-od", folder, there.port, port=there.port):
        yield there


@contextmanager
def pynetdicom_qrscp(folder: Path) -> Iterator[There]:
    there = There(free_port())
    where = ["--database-location", folder / "db.sqlite", "--instance-location", folder / "instances"]
    command = [sys.executable, "-m", "pynetdicom", "qrscp", "--port", there.port, "-ba", "127.0.0.1", *where]
    with listening(*command, port=there.port, cwd=folder):
        fill(there, folder)
        yield there


@contextmanager
def ignores_date(folder: Path) -> Iterator[There]:
    there = There(free_port())
    with listening(sys.executable, HERE / "ignores_date.py", there.port, port=there.port):
        fill(there, folder)
        yield there


# --- Leadglass --------------------------------------------------------------------------------------------


@contextmanager
def leadglass_receive_only(folder: Path) -> Iterator[There]:
    with interop_archive.archive(folder) as made:
        yield There(made.plain, made.http)


@contextmanager
def leadglass_tls(folder: Path) -> Iterator[There]:
    with interop_archive.archive(folder) as made:
        yield There(made.tls, made.http)


# --- no DICOM at all --------------------------------------------------------------------------------------


@contextmanager
def web_server(folder: Path) -> Iterator[There]:
    """Python's, with a page."""
    (folder / "index.html").write_text("<!DOCTYPE html><title>Canteen</title><p>Today: soup.")
    with _http(folder) as there:
        yield there


@contextmanager
def listed_folder(folder: Path) -> Iterator[There]:
    """Python's, with a folder of images."""
    shown = folder / "shown"
    for each in Images(folder / "images", "listed folder").slices(2, size=16):
        shown.mkdir(exist_ok=True)
        shutil.copy(each.path, shown / each.path.name)
    with _http(shown) as there:
        yield there


@contextmanager
def _http(folder: Path) -> Iterator[There]:
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder, port]
    with listening(*command, port=port):
        yield There(port, port)


@contextmanager
def ssh_server(_: Path) -> Iterator[There]:
    """Debian's sshd, with a key of its own and without any rights: nobody can sign in to it."""
    there = There(free_port())
    with tempfile.TemporaryDirectory(prefix="sshd-") as name:
        folder = Path(name)
        said = run(
            program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"
        )
        assert said.status == 0, said.text
        config = folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1\nPort {there.port}\nHostKey {folder / 'key'}\nPidFile none\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nAuthorizedKeysFile none\n"
        )
        command: list[object] = [program("sshd", "openssh-server"), "-D", "-e", "-f", config]
        if os.geteuid() == 0:
            for each in (folder, *folder.iterdir()):
                shutil.chown(each, "nobody", "nogroup")
            command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", *command]
        with listening(*command, port=there.port):
            yield there


@contextmanager
def closed_port(_: Path) -> Iterator[There]:
    yield There(free_port())


# --- the table --------------------------------------------------------------------------------------------

_IN = ("D01", "D02", "D03", "D05")
_ARCHIVE = (*_IN, "D06", "D07", "D08", "D09")
_WEB = Expected("web")
_SHUT = Expected("web-protected")

REAL_SERVERS = (
    RealServer(
        "Orthanc as packaged",
        orthanc_packaged,
        Expected("refuses-queries", 2, (*_IN, "D08", "D09", "D11", "T01"), "dcmtk"),
        Expected("web-open", 4, ("W03",), "orthanc", STUDIES),
        notes="Its REST interface is for this machine only, and asks nobody on it for a password.",
    ),
    RealServer(
        "Orthanc open",
        orthanc_open,
        Expected("open", 4, (*_ARCHIVE, "D11", "T01"), "dcmtk", STUDIES),
        Expected("web-open", 4, ("W03",), "orthanc", STUDIES),
    ),
    RealServer(
        "Orthanc with password",
        orthanc_password,
        Expected("refuses-queries", 2, (*_IN, "D08", "D09", "D11", "T01"), "dcmtk"),
        Expected("web-protected", 0, (), "orthanc"),
    ),
    RealServer(
        "Orthanc with DICOMweb",
        orthanc_dicomweb,
        Expected("open", 4, (*_ARCHIVE, "D11", "T01"), "dcmtk", STUDIES),
        Expected("web-open", 4, ("W01", "W03"), "orthanc", STUDIES),
        notes="It answers OPTIONS with 404, though it takes what is posted.",
    ),
    RealServer(
        "dcmqrscp for anybody",
        dcmqrscp_any,
        Expected("rejects-called", 0, ("D01",)),
        titles=("QRSCP",),
        named=Expected("open", 4, ("D01", "D03", "D04", *_ARCHIVE[3:], "T01"), "dcmtk", STUDIES),
        notes="Any calling title, but its own has to be known.",
    ),
    RealServer(
        "dcmqrscp with an AE table",
        dcmqrscp_table,
        Expected("rejects-called", 0, ("D01",)),
        titles=("QRSCP",),
        named=Expected("rejects-called", 0, ("D01",)),
        notes="It says that the called title is not recognized whichever of the two it does not know.",
    ),
    RealServer("storescp", storescp, Expected("refuses-queries", 2, (*_IN, "D09", "T01"), "dcmtk")),
    RealServer(
        "pynetdicom qrscp",
        pynetdicom_qrscp,
        Expected("open", 4, (*_ARCHIVE, "D10", "T01"), "pynetdicom", STUDIES, answers=2 * STUDIES),
        notes="It answers once for each image, whatever the level; and every worklist query, with nothing.",
    ),
    RealServer(
        "ignores StudyDate",
        ignores_date,
        Expected("open", 4, (*_IN, "D06", "D07", "D09", "T01"), "pynetdicom", STUDIES),
        notes="A day on which there was nothing gives everything: stop at the first.",
    ),
    RealServer(
        "Leadglass, receive-only", leadglass_receive_only, Expected("rejects-calling", 0, ("D01",)), _SHUT
    ),
    RealServer("Leadglass, TLS", leadglass_tls, Expected("needs-certificate"), _SHUT),
    RealServer("web server", web_server, Expected("not-dicom"), _WEB),
    RealServer("listed folder", listed_folder, Expected("not-dicom"), Expected("web-listing", 0, ("W09",))),
    RealServer("SSH server", ssh_server, Expected("not-dicom")),
    RealServer("closed port", closed_port, Expected("closed")),
)
