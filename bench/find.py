"""How fast C-FIND answers: responses a second when 10,000 studies match, and the first one among a million.

    python bench/find.py [--studies 1000000] [--matches 10000] [--rounds 7] [--index FILE]

The server is a process of its own with the listener, the handler, the policy, the record and a sealed index of
made-up rows, but without TLS; the client is raw sockets that count. Every response is a page's, on the record
before it leaves. `--index FILE` keeps the large index there for the next time.

An archive fills as time passes, so that neighbours in a list are neighbours in the index and on the record: that
is what is measured. With dates at random every row is a page to decrypt and every entry's subject one to
encrypt; printed for comparison, and the large index is of that kind.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa
import uvloop
from common import held, spread
from search import KEY, fill
from wire import EXPLICIT, NO_DATA, Association, associate_rq, command, connected, field, pdus

from leadglass.access.peers import Ae
from leadglass.access.principal import Via
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.search import Search
from leadglass.db.migrations import upgrade
from leadglass.db.sqlcipher import SealedFile
from leadglass.dicom.dictionary import EXPLICIT_VR_LITTLE_ENDIAN, TAG_BY_KEYWORD, VR_BY_TAG
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID
from leadglass.dicom.writer import encode_dataset
from leadglass.dimse.command import Field
from leadglass.dimse.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from leadglass.net.acceptor import alone
from leadglass.net.attendant import Admission, Manners
from leadglass.net.connection import Peer
from leadglass.net.workers import Workers
from leadglass.note import Signer
from leadglass.record.log import Log
from leadglass.scp.find import Find
from leadglass.scp.session import Session
from leadglass.ul.items import UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import AssociateRQ

RATE, FIRST_MS = 10_000, 50.0
SHARE = 0.4  # of all studies are department 1's
C_FIND, C_FIND_RSP = 0x0020, 0x8020
PENDING = (0xFF00, 0xFF01)
ROOT = "1.2.826.0.1.3680043.10.1561"

# What a work list of a viewer asks to have returned.
RETURNED = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "StudyDescription", "ModalitiesInStudy", "ReferringPhysicianName", "StudyInstanceUID",
    "StudyID", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip

# --- the server ---------------------------------------------------------------------------------------------


def ae(department: int) -> Ae:
    return Ae(
        1, "BENCH", department, False, (), frozenset({"find"}), "", None, False, "", None, None, None, 0
    )  # fmt: skip


async def serving(path: Path) -> None:
    db, workers = SealedFile(path, KEY).open(), Workers(4)
    search = Search(Doorkeeper(db, Log(Signer.from_seed("leadglass.bench/record", os.urandom(32)))))

    async def admit(request: AssociateRQ, peer: Peer) -> Admission:
        who = ae(1)
        clock = lambda: time.time_ns() // 1_000_000  # noqa: E731
        session = Session(who.principal, who, peer, Via.DIMSE, clock, vouched=clock())
        offer = {context.abstract_syntax: Service((EXPLICIT,)) for context in request.contexts}
        ours = UserInformation(1 << 18, IMPLEMENTATION_CLASS_UID)
        return Admission(negotiate(request, offer, ours), session)

    acceptor = alone(Manners(), admit, {Field.C_FIND_RQ: Find(search, workers)})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        await acceptor.serve(listening)


@contextmanager
def server(path: Path) -> Iterator[tuple[int, int]]:
    """Its port and its process id."""
    words = [sys.executable, __file__, "--serve", str(path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()


# --- the client ---------------------------------------------------------------------------------------------


@dataclass
class Taken:
    first: float  # ms until the first response was whole
    whole: float  # s until the last
    matches: int
    status: int


def identifier(level: str, **keys: str) -> bytes:
    asked = {"QueryRetrieveLevel": level} | dict.fromkeys(RETURNED, "") | keys
    rows = [
        (TAG_BY_KEYWORD[word], VR_BY_TAG[TAG_BY_KEYWORD[word]], value.encode())
        for word, value in asked.items()
    ]
    return encode_dataset(rows, EXPLICIT_VR_LITTLE_ENDIAN)


def find(association: Association, data: bytes, model: str, context: int) -> Taken:
    head = command((0x0002, model), (0x0100, C_FIND), (0x0110, 1), (0x0700, 0), (0x0800, 1))
    request = pdus(head, 1, association.longest, context) + pdus(data, 0, association.longest, context)
    started = time.perf_counter()
    association.socket.sendall(request)
    first, matches = 0.0, 0
    while True:
        for _, flags, value in association.values():
            if flags == 3:
                status = int.from_bytes(field(value, 0x0900), "little")
                if status not in PENDING:
                    whole = time.perf_counter() - started
                    return Taken(first or whole * 1000, whole, matches, status)
            elif flags & 2:
                matches += 1
                first = first or (time.perf_counter() - started) * 1000


def associated(port: int) -> Association:
    contexts = [(STUDY_ROOT_FIND, EXPLICIT), (PATIENT_ROOT_FIND, EXPLICIT)]
    return Association(connected(port), associate_rq("LEADGLASS", "BENCH", contexts))


# --- measurements -------------------------------------------------------------------------------------------


def rates(port: int, pid: int, matches: int, rounds: int) -> bool:
    association, taken = associated(port), []
    data = identifier("STUDY", StudyDate="19000101-20991231")
    before, process = held(pid), psutil.Process(pid)
    used = []
    for number in range(rounds + 1):
        start = sum(process.cpu_times()[:2])
        one = find(association, data, STUDY_ROOT_FIND, 1)
        assert one.status == 0, hex(one.status)
        if number:  # the first one warms up
            taken.append(one)
            used.append((sum(process.cpu_times()[:2]) - start) / one.matches * 10_000)
    association.release()
    found = [one.matches / one.whole for one in taken]
    print(
        f"  {taken[0].matches} of {matches} studies      {spread(found, ',.0f')} responses/s   bound ≥ {RATE:,}"
    )
    print(f"  first response              {spread([one.first for one in taken])} ms")
    print(f"  CPU of the server           {spread(used, '.2f')} s for 10,000 responses")
    print(f"  server's memory             {before:.0f} → {held(pid):.0f} MB")
    patients = associated(port)
    data = identifier("PATIENT", PatientID="", NumberOfPatientRelatedStudies="")
    some = [find(patients, data, PATIENT_ROOT_FIND, 3) for _ in range(3)]
    patients.release()
    print(
        f"  {some[0].matches} patients             {spread([o.matches / o.whole for o in some], ',.0f')} responses/s"
    )
    return statistics.median(found) >= RATE


def queries(count: int) -> dict[str, tuple[str, dict[str, str]]]:
    middle = count // 2
    return {
        "all": ("STUDY", {}),
        "all by date": ("STUDY", {"StudyDate": "20100101-20261231"}),
        "one month": ("STUDY", {"StudyDate": "20160301-20160331"}),
        "one day": ("STUDY", {"StudyDate": "20160310"}),
        "a modality of a year": ("STUDY", {"StudyDate": "20160101-20161231", "ModalitiesInStudy": "MR"}),
        "a rare modality": ("STUDY", {"ModalitiesInStudy": "ES"}),
        "a family": ("STUDY", {"PatientName": "ROTH^*"}),
        "a name": ("STUDY", {"PatientName": "roth^anna"}),
        "patient ID": ("STUDY", {"PatientID": f"P{middle // 3:07d}"}),
        "accession number": ("STUDY", {"AccessionNumber": f"A{middle:08d}"}),
        "study ID": ("STUDY", {"StudyID": str(middle)}),
        "birth date": ("STUDY", {"PatientBirthDate": "19700101", "PatientSex": "F"}),
        "100 study UIDs": (
            "STUDY",
            {"StudyInstanceUID": "\\".join(f"{ROOT}.{n * 9000 + 1}" for n in range(100))},
        ),
        "nobody": ("STUDY", {"PatientName": "xanthippe^*"}),
        "patients": ("PATIENT", {}),
        "patients of a family": ("PATIENT", {"PatientName": "roth*"}),
        "one patient": ("PATIENT", {"PatientID": f"P{middle // 3:07d}"}),
    }


def first_responses(port: int, count: int, rounds: int) -> bool:
    """On an association of its own each, which is given up once the first response is here."""
    kept = True
    for kind, (level, keys) in queries(count).items():
        taken = []
        for number in range(rounds + 1):
            association = associated(port)
            model, context = (PATIENT_ROOT_FIND, 3) if level == "PATIENT" else (STUDY_ROOT_FIND, 1)
            one = first_of(association, identifier(level, **keys), model, context)
            association.close()
            if number:
                taken.append(one)
        median = statistics.median(taken)
        kept = kept and median <= FIRST_MS
        print(f"  {kind:24}{spread(taken):>28} ms{'' if median <= FIRST_MS else '   ABOVE'}", flush=True)
    return kept


def first_of(association: Association, data: bytes, model: str, context: int) -> float:
    """ms until the first identifier, or the end where nothing matches; the rest is cancelled."""
    head = command((0x0002, model), (0x0100, C_FIND), (0x0110, 7), (0x0700, 0), (0x0800, 1))
    request = pdus(head, 1, association.longest, context) + pdus(data, 0, association.longest, context)
    started = time.perf_counter()
    association.socket.sendall(request)
    taken = 0.0
    while True:
        for _, flags, value in association.values():
            if flags & 2 and not flags & 1 and not taken:
                taken = (time.perf_counter() - started) * 1000
                cancel = command((0x0100, 0x0FFF), (0x0120, 7), (0x0800, NO_DATA))
                association.socket.sendall(pdus(cancel, 1, association.longest, context))
            elif flags == 3 and int.from_bytes(field(value, 0x0900), "little") not in PENDING:
                return taken or (time.perf_counter() - started) * 1000


_AS_TIME_PASSES = (
    "UPDATE studies SET study_date = strftime('%Y%m%d', '2010-01-01', '+' || (id * 6000 / :count) || ' days')",
    "UPDATE study_modalities SET study_date = (SELECT study_date FROM studies WHERE id = study_id)",
)


def index(path: Path, count: int, *, in_order: bool = False) -> Path:
    if not path.exists():
        upgrade(SealedFile(path, KEY))
        engine = SealedFile(path, KEY).engine()
        fill(engine, count)
        with engine.begin() as connection:
            for statement in _AS_TIME_PASSES if in_order else ():
                connection.execute(sa.text(statement), {"count": count} if ":count" in statement else {})
        engine.dispose()
    return path


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--studies", type=int, default=1_000_000)
    options.add_argument("--matches", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--index", type=Path)
    asked = options.parse_args()
    if asked.serve:
        uvloop.run(serving(asked.serve))
        return 0
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        small, kept = round(asked.matches / SHARE), True
        for title, in_order in (("as an archive fills", True), ("dates at random", False)):
            print(f"{small:,} studies, of which an AE may see {SHARE:.0%}; {title}")
            path = index(Path(folder) / f"{in_order}.db", small, in_order=in_order)
            with server(path) as (port, pid):
                kept = (rates(port, pid, small, asked.rounds) or not in_order) and kept
        large = index(asked.index or Path(folder) / "large.db", asked.studies)
        print(f"first response among {asked.studies:,} studies    bound ≤ {FIRST_MS:.0f} ms")
        with server(large) as (port, _):
            kept = first_responses(port, asked.studies, asked.rounds) and kept
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
