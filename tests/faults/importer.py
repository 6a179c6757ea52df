"""A process that imports and can be killed: `python importer.py`, one JSON object a line on its stdin.

    {"root": …, "environ": {…}, "files": folder, "acks": file, "ready": fifo, "go": fifo, "how": "steady"}

Each line forks a child that opens the home, says ready, waits for go, and imports the folder through the
pipeline of `leadglass import`. It adds an object's name to `acks` once its outcome's future has resolved.
Forking spares every child the imports. The child's wait status is answered as a line on stdout.

How: `steady` gives blobs predictable names and commits one object before the next begins, so that every run
makes the same system calls in the same order. Two kinds lie, for tests that show that lies are found: `eager`
acknowledges an object before its commit, `unsynced` leaves out the fsync of objects and directories. `delete`
deletes the study that `files` names instead, `repair` checks and repairs the home, and `decide` carries out the
decision on what was kept aside that `files` names.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from fault_decisions import CASES
from fault_home import OPERATOR, Site, context

from leadglass.access.principal import Kind, Principal, Role
from leadglass.archive.ingest import Outcome
from leadglass.cli import pipeline
from leadglass.cli.sources import Source, ZipLimits, find
from leadglass.compose import Opened
from leadglass.store.blobs import Blobs

_PR_SET_PTRACER = 0x59616D61
_ANYBODY = ctypes.c_ulong(-1)


class Acknowledging(pipeline.Pipeline):
    """Says so when an object is durable, and how the others ended."""

    acks = -1

    def _settle(self, source: Source, done: Future[Outcome]) -> None:
        error = done.exception()
        said = getattr(error, "code", "failed") if error else done.result().kind.value
        os.write(self.acks, f"{Path(source.name).name} {said}\n".encode("ascii"))
        super()._settle(source, done)


class Eager(Acknowledging):
    """What this project is not."""

    def _seal(self, source: Source) -> Future[Outcome]:
        committed = super()._seal(source)
        os.write(self.acks, f"{Path(source.name).name} stored\n".encode("ascii"))
        return committed


class Unsynced:
    """The module `os` with an fsync that does nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, descriptor: int) -> None:
        pass


def take_all(asked: dict[str, Any]) -> int:
    site = Site(Path(asked["root"]).parent)
    with site.open() as opened:
        services = opened.services
        department = services.accounts.department(
            OPERATOR, None, context()
        )  # the writer's thread is there now
        how = asked["how"]
        if how in {"steady", "eager"}:
            pipeline.THREADS = pipeline.IN_FLIGHT = 1
            services.ingest.commits.blobs = Blobs(opened.home.objects, random=random.Random(0).randbytes)
        elif how == "unsynced":
            services.ingest.commits.blobs = Blobs(opened.home.objects, system=Unsynced())
        kind = Eager if how == "eager" else Acknowledging
        line = kind(services.ingest, OPERATOR, department, context, largest=1 << 30)
        line.acks = os.open(asked["acks"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.close(os.open(asked["ready"], os.O_WRONLY))
        os.close(os.open(asked["go"], os.O_RDONLY))
        found = find([Path(asked["files"])], ZipLimits(members=1, ratio=2))
        return 0 if line.run(found, lambda _: None).clean else 1


def delete(opened: Opened, study: str) -> str:
    """As `leadglass delete` does, by a PACS administrator of the default department."""
    who = Principal(Kind.USER, 9, 9, "pacs", "pacs", Role.PACS_ADMINISTRATOR, frozenset({1}), "session:9")
    deletion = opened.services.deletion
    plan = deletion.plan_of(who, study, context())
    deletion.delete(who, plan, context(), reason="a test of faults")
    return f"{study} deleted\n"


def repair(opened: Opened, _: str) -> str:
    opened.services.upkeep.check(OPERATOR, context(), deep=True, repair=True)
    return "repair done\n"


def decide(opened: Opened, decision: str) -> str:
    opened.services.aside._decisions._blobs = Blobs(opened.home.objects, random=random.Random(0).randbytes)
    CASES[decision].carry_out(opened)
    return f"{decision} done\n"


JOBS = {"delete": delete, "repair": repair, "decide": decide}


def work(asked: dict[str, Any]) -> int:
    """A job that takes nothing in; it is acknowledged when it is done."""
    with Site(Path(asked["root"]).parent).open() as opened:
        opened.services.accounts.department(OPERATOR, None, context())  # the writer's thread is there now
        os.close(os.open(asked["ready"], os.O_WRONLY))
        os.close(os.open(asked["go"], os.O_RDONLY))
        said = JOBS[asked["how"]](opened, asked["files"])
        acks = os.open(asked["acks"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(acks, said.encode("ascii"))
    return 0


def child(asked: dict[str, Any]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)  # strace is not our parent
    status = 70
    try:
        status = (work if asked["how"] in JOBS else take_all)(asked)
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(asked)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
