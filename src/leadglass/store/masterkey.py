"""The file that holds a home's master key, outside the home.

    leadglass master key 1
    home 6f1d…               the home's id, so that the key is not taken for another home's
    key 0011…eeff            32 bytes, hexadecimal
    check 8a3b…              its key check: an edited or half-copied file is noticed before it is used

Readable by its owner only; a file that others can read is refused, because a key that was read is no key.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from leadglass.errors import BrokenInvariant, Conflict, KeyMissing, KeyWrong
from leadglass.store.files import storage_errors, sync_directory, write_all
from leadglass.store.keys import key_check

_HOME_ID = re.compile(r"[0-9A-Za-z._-]{1,64}", re.ASCII)
_FILE = re.compile(
    rf"leadglass master key 1\nhome ({_HOME_ID.pattern})\nkey ([0-9a-f]{{64}})\ncheck ([0-9a-f]{{16}})\n",
    re.ASCII,
)
_LONGEST = 512  # bytes; a key file has 193 at most
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_master_key(path: Path, master: bytes, home_id: str) -> None:
    """Create the key file, mode 0600, durable on return. Conflict when there is a file already."""
    if not _HOME_ID.fullmatch(home_id):
        raise BrokenInvariant("A home id is 1 to 64 letters, digits, dots, dashes and underscores.")
    text = f"leadglass master key 1\nhome {home_id}\nkey {master.hex()}\ncheck {key_check(master).hex()}\n"
    with storage_errors("The master key"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise Conflict(f"There is a key file at {path} already; it is left as it is.") from None
        try:
            _fill(descriptor, text.encode("ascii"))
            sync_directory(path.parent)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise


def read_master_key(path: Path, home_id: str) -> bytes:
    """The 32-byte master key of the home `home_id`.

    KeyMissing when there is no file; KeyWrong when it is damaged, another home's, or open to other users.
    """
    match = _FILE.fullmatch(_read_private(path))
    if match is None:
        raise KeyWrong(f"{path} is no master key file, or it is damaged. Put an intact copy of it back.")
    home, key, check = match.groups()
    if home != home_id:
        raise KeyWrong(f"{path} holds the key of another home. Name the key file of this one.")
    master = bytes.fromhex(key)
    if key_check(master).hex() != check:
        raise KeyWrong(f"{path} is damaged: key and check do not match. Put an intact copy of it back.")
    return master


def _read_private(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise KeyMissing(
            f"There is no master key at {path}. Put the key file back, or use the recovery key "
            "that was printed when this home was made."
        ) from None
    except OSError as error:
        raise KeyMissing(f"The master key at {path} cannot be opened: {error.strerror}.") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyWrong(f"{path} is no file.")
        if status.st_mode & _OPEN_TO_OTHERS:
            raise KeyWrong(
                f"Other users can use the master key at {path} (mode {stat.S_IMODE(status.st_mode):04o}). "
                "If nobody has, close it with: chmod 600"
            )
        with storage_errors("The master key"):
            return os.read(descriptor, _LONGEST).decode("ascii", "replace")
    finally:
        os.close(descriptor)


def _fill(descriptor: int, content: bytes) -> None:
    try:
        os.fchmod(descriptor, 0o600)  # whatever the umask took away
        write_all(os.write, descriptor, memoryview(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
