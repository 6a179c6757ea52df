"""Who is scanned in tests of `leadglass scan`, and what is looked at afterwards."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import raw_peer
import strangers
from standing import WAIT, Listener, standing
from strangers import Host

from leadglass.scan.register import Register
from leadglass.scan_home import open_register, register_folder

HERE = "127.0.0.1"
LOOPBACK = '["127.0.0.0/8"]'
SERVICES = (raw_peer.VERIFICATION, strangers.STUDY_FIND)


def today(days: int = 0) -> str:
    return f"{datetime.now(UTC).date() + timedelta(days=days)}"


def scope(**changes: str) -> str:
    """A scope in TOML; `changes` are TOML values by key, `None` takes a key out."""
    values: dict[str, dict[str, str]] = {
        "authorisation": {
            "organisation": '"St. Example Hospital"',
            "authorised_by": '"Dr. Ines Weber, CIO"',
            "contact": '"it@st-example.org"',
            "legal_basis": '"own networks"',
            "valid_from": today(-1),
            "valid_to": today(30),
            "ranges": LOOPBACK,
        },
        "targets": {"hosts": "[]"},
        "limits": {"max_level": '"query"', "rate": "1000", "rate_per_24": "1000"},
        "reports": {},
    }
    for name, value in changes.items():
        section, _, key = name.partition("__")
        values[section][key] = value
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in members.items())
        for section, members in values.items()
    )


def hosts(*ports: int) -> str:
    return str([f"{HERE}:{port}" for port in ports]).replace("'", '"')


def holding(number: int, **more: Any) -> Host:
    """Answers every stranger, with that many studies, one a day from 2020 on (PS3.4 C.2.2.2.5)."""
    first = date(2020, 1, 1)
    studies = [
        (
            f"{first + timedelta(days=n):%Y%m%d}".encode(),
            strangers.element(0x0020000D, f"1.2.840.99999.{n}".encode()),
        )
        for n in range(number)
    ]

    def find(model: str, keys: dict[int, bytes]) -> list[tuple[int, bytes | None]]:
        begin, dash, end = keys.get(0x00080020, b"").partition(b"-")
        end = end if dash else begin
        found = [uid for day, uid in studies if begin <= day and (not end or day <= end)]
        return [*((strangers.PENDING, uid) for uid in found), (0, None)]

    return Host(find, **({"services": SERVICES} | more))


@dataclass
class Slow:
    """Answers strangers, and takes its time with the answer to a real question: until `go` is set, matches
    come for ever. `asked` is set when one was put."""

    asked: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def __call__(self, model: str, keys: dict[int, bytes]) -> Iterator[tuple[int, bytes | None]]:
        if b"1842" not in keys.get(0x00080020, b"") and model != strangers.WORKLIST:
            self.asked.set()
            while not self.go.is_set():
                yield strangers.PENDING, strangers.UID
        yield 0, None


@contextmanager
def listener(address: str = HERE, port: int = 0) -> Iterator[Listener]:
    made = Listener(address, port)
    try:
        yield made
    finally:
        made.socket.close()


@contextmanager
def user(folder: Path) -> Iterator[None]:
    """Somebody with an empty account there; `moved_in` makes another's account like it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("LEADGLASS_", "XDG_"))]:
            patch.delenv(name)
        patch.setenv("HOME", str(folder))
        yield


def moved_in(folder: Path) -> None:
    """All that `folder`'s user had is this user's, too."""
    shutil.copytree(folder, os.environ["HOME"], dirs_exist_ok=True)


@contextmanager
def register() -> Iterator[Register]:
    with open_register(os.environ) as found:
        yield found


def reports(number: int) -> Path:
    """Where the files of a survey are."""
    return register_folder(os.environ) / "surveys" / str(number)


def until(holds: Callable[[], bool]) -> None:
    """Wait for what happens in another process or thread."""
    ticking, deadline = threading.Event(), WAIT / 0.02
    while not holds():
        deadline -= 1
        assert deadline > 0, "it did not happen"
        ticking.wait(0.02)


__all__ = ["HERE", "Host", "Slow", "holding", "hosts", "listener", "register", "reports", "scope", "standing"]
