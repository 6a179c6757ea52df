"""Where a survey's register lies, and how it is opened: apart from any archive's home.

    scan/                0700, in the user's data folder, or $LEADGLASS_SCAN
    ├── register.json    its id and the check of its key
    ├── register.db      sealed
    └── scopes/          scopes that were laid down for `leadglass scan HOST:PORT`

Its key lies in the user's configuration folder, like a home's master key.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from leadglass.db.migrations import REGISTER, upgrade
from leadglass.db.sqlcipher import SealedFile
from leadglass.errors import KeyWrong, Tampered
from leadglass.home import default_root, master_key_path
from leadglass.scan.register import Register
from leadglass.store.files import storage_errors
from leadglass.store.keys import Keyring, key_check, new_key
from leadglass.store.masterkey import read_master_key, write_master_key

FILE_NAME: Final = "register.json"
_FORMAT: Final = 1


def register_folder(environ: Mapping[str, str]) -> Path:
    if environ.get("LEADGLASS_SCAN"):
        return Path(environ["LEADGLASS_SCAN"]).absolute()
    return default_root(environ, "scan")


def scopes_folder(environ: Mapping[str, str]) -> Path:
    return register_folder(environ) / "scopes"


def has_register(environ: Mapping[str, str]) -> bool:
    return (register_folder(environ) / FILE_NAME).exists()


@contextmanager
def open_register(environ: Mapping[str, str]) -> Iterator[Register]:
    """The register, made at its first use. KeyMissing, KeyWrong, StorageFailed: then nothing was touched."""
    folder = register_folder(environ)
    if not has_register(environ):
        _found(folder, environ)
    key = Keyring.from_master(_master(folder, environ)).database_key
    database = folder / "register.db"
    upgrade(SealedFile(database, key), REGISTER)
    register = Register(SealedFile(database, key).open(readers=2))
    try:
        yield register
    finally:
        register.close()


def _found(folder: Path, environ: Mapping[str, str]) -> None:
    """The key first: without `register.json` there is no register, so what fails in between leaves none."""
    number, master = f"scan-{secrets.token_hex(8)}", new_key()
    with storage_errors("The register"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_master_key(_key_path(number, environ), master, number)
        members = {"format": _FORMAT, "id": number, "key_check": key_check(master, number.encode()).hex()}
        part = folder / f"{FILE_NAME}.{os.getpid()}"
        part.write_text(json.dumps(members, indent=2) + "\n", encoding="ascii")
        part.replace(folder / FILE_NAME)


def _master(folder: Path, environ: Mapping[str, str]) -> bytes:
    try:
        members = json.loads((folder / FILE_NAME).read_bytes()[:4096])
        number, check = str(members["id"]), bytes.fromhex(members["key_check"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Tampered(f"{folder / FILE_NAME} is damaged. Put an intact copy of it back.") from None
    master = read_master_key(_key_path(number, environ), number)
    if not hmac.compare_digest(key_check(master, number.encode()), check):
        raise KeyWrong(f"The key is not that of the register at {folder}. Put the right one back.")
    return master


def _key_path(number: str, environ: Mapping[str, str]) -> Path:
    """Never a home's: `LEADGLASS_MASTER_KEY_FILE` names the key of one home."""
    environ = {name: value for name, value in environ.items() if name != "LEADGLASS_MASTER_KEY_FILE"}
    return master_key_path(number, environ)
