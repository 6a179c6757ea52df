"""A home with its people and machines, served as a process of its own: what other people's programs talk to."""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import Any

import httpx
import pydicom
from interop_programs import Running, Said, free_port, listening, run
from pydicom.dataset import Dataset

from leadglass.access.plans import plan
from leadglass.access.principal import Context, Role, Via, operator
from leadglass.compose import found_home, open_home

OPERATOR = operator(1000, "op")
TITLE = "LEADGLASS"
SCANNER, STATION, VIEWER = "SCANNER", "STATION", "VIEWER"
USER, PASSWORD = "dr.roth", "lusab-babad-gutih-tugad-mohis"
EVERYTHING = "store,find,get,move,commitment,private"
LEADGLASS = (sys.executable, "-c", "from leadglass.cli.main import main; main()")


@dataclass(slots=True)
class Archive:
    """`plain` and `tls` are the ports of its two listeners. `identities` holds, by AE title, a folder with
    `ca.pem`, `certificate.pem` and `key.pem`."""

    folder: Path
    plain: int
    tls: int
    http: int
    identities: dict[str, Path] = field(default_factory=dict)
    token: str = ""
    server: Running | None = None
    web: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))

    @property
    def environ(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "LEADGLASS_HOME": str(self.folder / "home"),
            "LEADGLASS_MASTER_KEY_FILE": str(self.folder / "master.key"),
            "LEADGLASS_STORAGE_RESERVE_MIB": "1",
        }

    def add(self, opened: Any, text: str, **how: Any) -> None:
        """An AE, as `leadglass ae add` would; what it is issued lies in a folder of its own."""
        made = opened.services.peers.add(OPERATOR, plan(text, **how), context())
        if made.issued is not None:
            self.keep(made.ae.title, made.issued)

    def keep(self, title: str, issued: Any) -> None:
        folder = self.folder / "identities" / title
        folder.mkdir(parents=True)
        (folder / "certificate.pem").write_text(issued.certificate)
        (folder / "key.pem").write_text(issued.key)
        (folder / "ca.pem").write_text(issued.authority)
        self.identities[title] = folder

    def command(self, *words: object) -> Said:
        """A command of ours, as people run it."""
        return run(*LEADGLASS, *words, env=self.environ)

    def answer(self, *words: object) -> Any:
        """What a command that must succeed says with --json."""
        said = self.command(*words, "--json")
        assert said.status == 0, said.text
        return json.loads(said.out)

    def introduce(self, where: str, *options: object) -> Path:
        """A known AE with a certificate, added while the server runs; the folder of what it was issued."""
        title = where.partition("@")[0]
        folder = self.folder / "identities" / title
        files = self.answer("ae", "add", where, "--issue-certificate", folder, *options)["files"]
        for name, ours in (("certificate", "certificate"), ("key", "key"), ("authority", "ca")):
            Path(files[name]).rename(folder / f"{ours}.pem")
        self.identities[title] = folder
        return folder

    # What it holds, by another door than DICOM's.

    def get(self, path: str, **headers: str) -> httpx.Response:
        headers |= {"Authorization": f"Bearer {self.token}"}
        return self.web.get(f"http://localhost:{self.http}/dicom-web{path}", headers=headers)

    def has(self, instance: str) -> dict[str, Any] | None:
        """The object of that UID as a search tells of it."""
        found = self.get(f"/instances?SOPInstanceUID={instance}", Accept="application/dicom+json")
        rows = found.json() if found.status_code == 200 else []
        return rows[0] if rows else None

    def file(self, instance: str) -> bytes:
        """Its Part 10 file."""
        row = self.has(instance)
        assert row is not None, f"{instance} is not kept"
        study, series = (row[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
        path = f"/studies/{study}/series/{series}/instances/{instance}"
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        answer = self.get(path, Accept=accept)
        assert answer.status_code == 200, answer.text
        head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
        (part,) = message_from_bytes(head + answer.content).get_payload()  # type: ignore[misc]
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        return content

    def dataset(self, instance: str) -> Dataset:
        return pydicom.dcmread(io.BytesIO(self.file(instance)))


def context() -> Context:
    return Context("", Via.COMMAND, time.time_ns() // 1_000_000)


@contextmanager
def archive(folder: Path, *more: tuple[str, dict[str, Any]]) -> Iterator[Archive]:
    """A new home that knows a scanner without TLS, a station that may do everything, a viewer that may only
    ask and fetch, and `more`; its server."""
    made = Archive(folder, free_port(), free_port(), free_port())
    root = folder / "home"
    found_home(root, made.environ, context().now)
    with open_home(root, made.environ, lambda: context().now) as opened:
        made.add(opened, f"{SCANNER}@127.0.0.1", certified=False, receive_only=True, allow="store,commitment")
        made.add(opened, STATION, certified=True, allow=EVERYTHING)
        made.add(opened, VIEWER, certified=True, allow="find,get")
        for text, how in more:
            made.add(opened, text, **how)
        accounts = opened.services.accounts
        accounts.add_user(OPERATOR, USER, Role.RADIOLOGIST, context(), password=PASSWORD)
        made.token = accounts.create_token(OPERATOR, USER, context())
        opened.services.ingest.close()
    with serving(made), made.web:
        yield made
    shutil.rmtree(root)


@contextmanager
def serving(made: Archive) -> Iterator[Running]:
    doors = ("--http", made.http), ("--dicom", made.plain), ("--dicom-tls", made.tls)
    words = [word for name, port in doors for word in (name, f"127.0.0.1:{port}")]
    with listening(*LEADGLASS, "serve", *words, port=made.tls, env=made.environ) as server:
        made.server = server
        yield server


@contextmanager
def tunnel(made: Archive, title: str) -> Iterator[int]:
    """`leadglass connect` for a program that knows no TLS: the port at which it calls the archive as `title`."""
    own, port = made.identities[title], free_port()
    words = ["--certificate", own / "certificate.pem", "--key", own / "key.pem", "--ca", own / "ca.pem"]
    words += ["--listen", f"127.0.0.1:{port}"]
    with listening(
        *LEADGLASS, "connect", f"{TITLE}@localhost:{made.tls}", *words, port=port, env=made.environ
    ):
        yield port
