"""The files of a back-up into a new home: each is compared with its size and digest while it is copied."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Container, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from leadglass.archive.backup import Progress, is_plain
from leadglass.errors import Tampered
from leadglass.home import Home
from leadglass.store import manifest
from leadglass.store.files import storage_errors, sync_directory, write_all
from leadglass.store.keys import Keyring
from leadglass.store.manifest import Absent, File, Kept, Object
from leadglass.store.vault import DATABASE, Vault
from leadglass.store.vault_files import Digested, digested, pieces_of

THREADS: Final = 4
_AHEAD: Final = 64
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(slots=True)
class Filled:
    """What was copied, and what was not: `skipped` had been destroyed since, `missing` the home had lost."""

    objects: int = 0
    bytes: int = 0
    skipped: int = 0
    missing: int = 0


class Refill:
    """One generation into one home. Tampered for the first byte that is not as the manifest says."""

    def __init__(self, vault: Vault, keyring: Keyring, generation: str, home: Home) -> None:
        self._vault = vault
        self._keyring = keyring
        self._generation = generation
        self._home = home

    def run(self, without: Container[str], progress: Progress | None) -> Filled:
        """Everything, durable at the end; objects that are in `without` are left where they are."""
        done = Filled()
        in_all = self._in_all()
        pending: deque[Future[None]] = deque()
        with ThreadPoolExecutor(THREADS, "leadglass-restore") as pool:
            try:
                for line in self._lines():
                    match line:
                        case File(name, digest):
                            self._file(name, digest)
                        case Kept(name, content):
                            self._kept(name, content)
                        case Object(name, digest) if name in without:
                            done.skipped += 1
                        case Object(name, digest):
                            pending.append(pool.submit(self._object, name, digest))
                            done.objects += 1
                            done.bytes += digest.size
                            _report(progress, done.objects + done.skipped, in_all)
                        case Absent(_, manifest.MISSING):
                            done.missing += 1
                        case _:
                            pass
                    while len(pending) > _AHEAD:
                        pending.popleft().result()
                while pending:
                    pending.popleft().result()
            finally:
                for each in pending:
                    each.cancel()
        self._sync()
        return done

    def _lines(self) -> Iterator[manifest.Line]:
        return manifest.lines(self._vault, self._keyring.backup_key, self._home.id, self._generation)

    def _in_all(self) -> int:
        key = self._keyring.backup_key
        return manifest.heading(self._vault, key, self._home.id, self._generation)[1].objects

    def _file(self, name: str, expected: Digested) -> None:
        if name != DATABASE:
            raise Tampered(f"The back-up names a file that no back-up has: {name}.", code="backup-manifest")
        where = f"generations/{self._generation}/{name}"
        _copy(self._vault.file_of(self._generation, name), self._home.database, expected, where)

    def _object(self, name: str, expected: Digested) -> None:
        folder = self._home.objects / name[:2]
        with storage_errors("The home"):
            folder.mkdir(mode=0o700, exist_ok=True)
        _copy(self._vault.object(name), folder / name, expected, f"objects/{name[:2]}/{name}")

    def _kept(self, name: str, content: bytes) -> None:
        if not is_plain(name):
            text = f"The back-up names a file that is no place for one: {name}."
            raise Tampered(text, code="backup-manifest")
        with storage_errors("The home"):
            path = self._home.root / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, _CREATE, 0o600)
            try:
                write_all(os.write, descriptor, memoryview(content))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _sync(self) -> None:
        """The directories; each file is durable already."""
        with storage_errors("The home"):
            for folder, _, _ in os.walk(self._home.root):
                sync_directory(folder)


def _copy(source: AbstractContextManager[int], target: Path, expected: Digested, where: str) -> None:
    with source as opened, storage_errors("The home"):
        descriptor = os.open(target, _CREATE, 0o600)
        try:
            sink = partial(write_all, os.write, descriptor)
            done = digested(pieces_of(opened, expected.size), lambda piece: sink(memoryview(piece)))
            if done != expected:
                raise Tampered(
                    f"{where} in the back-up was altered or is damaged. Nothing was restored.",
                    code="backup-altered",
                )
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _report(progress: Progress | None, done: int, of: int) -> None:
    if progress is not None:
        progress(done, of)
