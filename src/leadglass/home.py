"""A home on disk: its folders, its `home.json`, its server lock, and where its master key lies.

    home/                0700
    ├── home.json        format, id, key check, the master key wrapped by the recovery key
    ├── config.toml      settings
    ├── db/              the sealed index, its locks, the space held back for the record
    ├── objects/         sealed objects
    ├── record/          published tiles and checkpoint
    └── serve.lock       held by the one server

Nothing in it opens without the master key, which lies elsewhere: by default in the user's configuration
folder.
"""

from __future__ import annotations

import base64
import fcntl
import hmac
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from leadglass.errors import (
    Conflict,
    HomeBusy,
    HomeNewer,
    KeyMissing,
    KeyWrong,
    NotFound,
    StorageFailed,
    Tampered,
)
from leadglass.store.files import storage_errors, sync_directory, write_all
from leadglass.store.keys import key_check, new_key, unwrap_master, wrap_master
from leadglass.store.masterkey import read_master_key, write_master_key
from leadglass.store.recovery import new_recovery_key

FORMAT = 1
FILE_NAME = "home.json"
HALF = f"{FILE_NAME}.half"  # what it is called until all that belongs to the home is there again
_FOLDERS = ("db", "objects", "record")
_LONGEST = 4096  # bytes of home.json
_RESTORING = "Another restore is at work"


@dataclass(frozen=True, slots=True)
class Home:
    """One home as its `home.json` describes it. `created` is ms since the epoch, UTC."""

    root: Path
    id: str
    created: int
    key_check: bytes
    recovery: bytes = field(repr=False)

    @property
    def database(self) -> Path:
        return self.root / "db" / "index.db"

    @property
    def reserve(self) -> Path:
        return self.root / "db" / "reserve"

    @property
    def objects(self) -> Path:
        return self.root / "objects"

    @property
    def record(self) -> Path:
        return self.root / "record"

    @property
    def record_name(self) -> str:
        """What the record's checkpoints call this log (C2SP origin and key name)."""
        return f"leadglass/record/{self.id}"

    @property
    def text(self) -> str:
        """Of `home.json`."""
        members = {
            "format": FORMAT,
            "id": self.id,
            "created": self.created,
            "key_check": self.key_check.hex(),
            "recovery": base64.b64encode(self.recovery).decode("ascii"),
        }
        return json.dumps(members, indent=2) + "\n"


def clock() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def default_root(environ: Mapping[str, str], name: str = "home") -> Path:
    """`$LEADGLASS_HOME`, else the user's data folder (XDG)."""
    if name == "home" and environ.get("LEADGLASS_HOME"):
        return Path(environ["LEADGLASS_HOME"])
    return _user_folder(environ, "XDG_DATA_HOME", ".local/share") / "leadglass" / name


def master_key_path(home_id: str, environ: Mapping[str, str]) -> Path:
    """`$LEADGLASS_MASTER_KEY_FILE`, else the user's configuration folder (XDG)."""
    if environ.get("LEADGLASS_MASTER_KEY_FILE"):
        return Path(environ["LEADGLASS_MASTER_KEY_FILE"])
    return config_folder(environ) / f"{home_id}.key"


def config_folder(environ: Mapping[str, str]) -> Path:
    """Ours in the user's configuration folder (XDG)."""
    return _user_folder(environ, "XDG_CONFIG_HOME", ".config") / "leadglass"


def _user_folder(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    """The XDG base directory specification: a relative path in the variable is ignored."""
    named = Path(environ.get(variable, ""))
    return named if named.is_absolute() else Path(environ.get("HOME") or Path.home()) / fallback


# --- making one -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Founding:
    """A home that is being made. Its recovery key is shown once and kept nowhere."""

    home: Home
    master: bytes = field(repr=False)
    recovery_key: str = field(repr=False)
    master_key_file: Path


@contextmanager
def founding(root: Path, environ: Mapping[str, str], now: int) -> Iterator[Founding]:
    """Make a home at `root`: folders and master key first, `home.json` when the caller is done with the rest.

    Without `home.json` there is no home, so whatever fails in between leaves nothing behind. Conflict when
    there is something at `root` already.
    """
    require_vacant(root)
    made = not root.exists()
    home, master, recovery_key = _new_home(root, now)
    key_file = master_key_path(home.id, environ)
    write_master_key(key_file, master, home.id)
    try:
        _make_folders(root)
        yield Founding(home, master, recovery_key, key_file)
        _write(root / FILE_NAME, home.text)
    except BaseException:
        key_file.unlink(missing_ok=True)
        _clear(root, also_root=made)
        raise


@contextmanager
def refounding(home: Home, *, lasting: bool = True) -> Iterator[None]:
    """Make `home` at its root again; the caller fills it. One that is not `lasting` is cleared away at the
    end.

    Until then `home.json` has another name, so that what a crash leaves is no home; the next attempt clears
    it away. Conflict, and nothing touched, when there is anything else at the root.
    """
    discard_abandoned(home)
    require_vacant(home.root)
    made = not home.root.exists()
    half = _claimed(home)
    try:
        with storage_errors("The home"):
            write_all(os.write, half, memoryview(home.text.encode("ascii")))
            os.fsync(half)
        _make_folders(home.root)
        yield
        if not lasting:
            _clear(home.root, also_root=made)
            return
        with storage_errors("The home"):
            (home.root / HALF).rename(home.root / FILE_NAME)
            # COMMIT POINT: from here on it is a home.
            for folder in (home.root, home.root.parent):
                sync_directory(folder)
    except BaseException:
        _clear(home.root, also_root=made)
        raise
    finally:
        os.close(half)


def _claimed(home: Home) -> int:
    """The file that says whose place this is to be, open. HomeBusy when somebody else made it just now."""
    with storage_errors("The home"):
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            half = os.open(home.root / HALF, flags, 0o600)
        except FileExistsError:
            raise HomeBusy(f"{_RESTORING} on the home at {home.root}. Nothing was touched.") from None
    try:
        _lock(half, home, _RESTORING)  # another may have taken it for abandoned in between: then it is theirs
    except BaseException:
        os.close(half)
        raise
    return half


def discard_abandoned(home: Home) -> None:
    """What a restore has left that was killed. HomeBusy when it is not dead."""
    path = home.root / HALF
    if (home.root / FILE_NAME).exists() or path.is_symlink() or not path.is_file():
        return
    with storage_errors("The home"):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _lock(descriptor, home, _RESTORING)
        if not os.fstat(descriptor).st_nlink:  # whoever cleared it away in between has made their own
            raise HomeBusy(f"{_RESTORING} on the home at {home.root}. Nothing was touched.")
        _clear(home.root, also_root=False)
    finally:
        os.close(descriptor)


def require_restorable(root: Path) -> None:
    """Conflict when there is anything at `root` that `refounding` would not clear away."""
    if not (root / HALF).is_file():
        require_vacant(root)


def require_vacant(root: Path) -> None:
    """Conflict when there is anything at `root`."""
    if (root / FILE_NAME).exists():
        raise Conflict(f"There is a home at {root} already; nothing was changed.", code="home-exists")
    with storage_errors("The home"):
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise Conflict(f"{root} is not empty; a new home needs an empty folder.", code="not-empty")


def _new_home(root: Path, now: int) -> tuple[Home, bytes, str]:
    master, recovery_key = new_key(), new_recovery_key()
    wrapped = wrap_master(master, recovery_key)
    home_id = secrets.token_hex(8)
    check = key_check(master, _vouched(home_id, now, wrapped))
    return Home(root.absolute(), home_id, now, check, wrapped), master, recovery_key


def _vouched(home_id: str, created: int, recovery: bytes) -> bytes:
    """What of `home.json` the key check covers: all of it."""
    return f"{FORMAT}\n{home_id}\n{created}\n{recovery.hex()}\n".encode("ascii")


def _is_master_of(home: Home, master: bytes) -> bool:
    expected = key_check(master, _vouched(home.id, home.created, home.recovery))
    return hmac.compare_digest(expected, home.key_check)


def _make_folders(root: Path) -> None:
    with storage_errors("The home"):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)
        for name in _FOLDERS:
            (root / name).mkdir(mode=0o700)


def _write(path: Path, text: str) -> None:
    with storage_errors("The home"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        for folder in (path.parent, path.parent.parent):
            sync_directory(folder)


def _clear(root: Path, *, also_root: bool) -> None:
    """Only ever called on what `founding` or `refounding` found empty a moment ago, or abandoned. What says
    so goes last: who is killed here leaves what the next attempt may clear away."""
    for entry in sorted(root.iterdir(), key=lambda each: each.name == HALF) if root.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if also_root:
        with suppress(OSError):
            root.rmdir()


# --- opening one ----------------------------------------------------------------------------------------


def read_home(root: Path) -> Home:
    """What `home.json` says. NotFound, HomeNewer for a later format, Tampered when it is damaged."""
    path = root / FILE_NAME
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"There is no home at {root}. Make one with: leadglass init --home {root}", code="no-home"
        ) from None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror}.") from None
    return parse_home(root, text)


def parse_home(root: Path, text: str | bytes) -> Home:
    """The home at `root` as its own file describes it. HomeNewer, Tampered."""
    try:
        members = json.loads(text)
        version = int(members["format"])
        if version > FORMAT:
            raise HomeNewer(
                f"The home at {root} has format {version}; this version of Leadglass reads up to {FORMAT}. "
                "Install the version that wrote it. Nothing was touched."
            )
        return _home(root, members)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        text = f"{root / FILE_NAME} is damaged. Put an intact copy of it back."
        raise Tampered(text, code="home-file") from None


def _home(root: Path, members: dict[str, str]) -> Home:
    home_id = members["id"]
    if not (isinstance(home_id, str) and home_id.isascii() and home_id.isalnum() and len(home_id) <= 64):
        raise ValueError
    return Home(
        root.absolute(),
        home_id,
        int(members["created"]),
        bytes.fromhex(members["key_check"]),
        base64.b64decode(members["recovery"], validate=True),
    )


def open_master(home: Home, environ: Mapping[str, str]) -> bytes:
    """The 32-byte master key of this home. KeyMissing or KeyWrong says what to do; nothing is touched."""
    path = master_key_path(home.id, environ)
    try:
        master = read_master_key(path, home.id)
    except KeyMissing as error:
        raise KeyMissing(
            f"{error} With the recovery key: leadglass init --home {home.root} --recover"
        ) from None
    if not _is_master_of(home, master):
        raise KeyWrong(
            f"The key at {path} is not that of the home at {home.root}, or {FILE_NAME} there was altered. "
            "Put the right one back."
        )
    return master


def recover(home: Home, recovery_key: str, environ: Mapping[str, str]) -> Path:
    """Write the master key file anew from the recovery key; returns where. Conflict when there is one."""
    master = recovered_master(home, recovery_key)
    path = master_key_path(home.id, environ)
    write_master_key(path, master, home.id)
    return path


def recovered_master(home: Home, recovery_key: str) -> bytes:
    """The master key, out of the home's own file. KeyWrong for a recovery key that is not its own."""
    master = unwrap_master(home.recovery, recovery_key)
    if not _is_master_of(home, master):
        raise KeyWrong("The recovery key opens a key that is not the one of this home.")
    return master


@contextmanager
def server_lock(home: Home) -> Iterator[None]:
    """Held by the one server of an embedded home; HomeBusy when another holds it. Ends with the process."""
    with storage_errors("The server's lock"):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(home.root / "serve.lock", flags, 0o600)
    try:
        _lock(descriptor, home)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, home: Home, who: str = "Another server runs") -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HomeBusy(f"{who} on the home at {home.root}. Nothing was touched.") from None


def is_served(home: Home) -> bool:
    """True while a server holds the home."""
    try:
        with server_lock(home):
            return False
    except HomeBusy:
        return True


def key_beside_home(home: Home, environ: Mapping[str, str]) -> bool:
    """True when key and home share a device: whoever takes the disk has both."""
    try:
        return master_key_path(home.id, environ).stat().st_dev == home.root.stat().st_dev
    except OSError:
        return False
