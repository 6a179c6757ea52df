"""C-GET of a series of 1,000 CT slices over TLS: megabytes a second, beside Orthanc and DCMTK's dcmqrscp.

    python bench/getscu.py [--slices 1000] [--rounds 5]

The getting side is `wire.py`: it reads, answers every C-STORE with success, and counts. Orthanc and dcmqrscp are
asked without TLS, where they are fastest, and Orthanc with it as well.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import LEADGLASS, MB, ROOT, home, spread, write_slices
from receive import raw
from receivers import CALLING, Receiver, Use, free_port, orthanc, running, serving, using
from wire import (
    C_GET,
    C_STORE,
    CT,
    EXPLICIT,
    IMPLICIT,
    RESPONSE,
    STUDY_ROOT_GET,
    Association,
    associate_rq,
    command,
    connected,
    element,
    field,
    pdus,
    tls_context,
)

STUDY = 1_000_000


def identifier() -> bytes:
    """The series, in implicit VR little endian."""
    keys = (
        (0x0008, 0x0052, "SERIES"),
        (0x0020, 0x000D, f"{ROOT}.{STUDY}"),
        (0x0020, 0x000E, f"{ROOT}.{STUDY}.1"),
    )
    out = b""
    for group, number, text in keys:
        coded = element(number, text if group == 0x0020 else text.ljust(len(text) + len(text) % 2))
        out += group.to_bytes(2, "little") + coded[2:]
    return out


def get(receiver: Receiver, title: str) -> tuple[int, int, float, float]:
    """Instances, bytes of data sets, seconds in all and until the first byte of the first image."""
    contexts = [(STUDY_ROOT_GET, IMPLICIT), (CT, EXPLICIT)]
    tls = tls_context(receiver.tls) if receiver.tls else None
    association = Association(
        connected(receiver.port), associate_rq(receiver.title, title, contexts, role=CT), tls
    )
    asked = command((0x0002, STUDY_ROOT_GET), (0x0100, C_GET), (0x0110, 1), (0x0700, 0), (0x0800, 1))
    started = time.perf_counter()
    association.socket.sendall(pdus(asked, 1, 16384) + pdus(identifier(), 0, 16384))
    count = size = 0
    first, message = 0.0, b""
    while True:
        for _, flags, value in association.values():
            if not flags & 1:
                size += len(value)
                first = first or time.perf_counter() - started
                if flags & 2:
                    association.socket.sendall(stored(message, association.longest))
                    count += 1
                continue
            message = bytes(value)
            if int.from_bytes(field(message, 0x0100), "little") == C_GET | RESPONSE:
                status = int.from_bytes(field(message, 0x0900), "little")
                if status & 0xFF00 != 0xFF00:
                    taken = time.perf_counter() - started
                    assert status == 0, f"C-GET ended with {status:04X}"
                    association.release()
                    return count, size, taken, first


def stored(request: bytes, longest: int) -> bytes:
    answer = command(
        (0x0002, CT),
        (0x0100, C_STORE | RESPONSE),
        (0x0120, field(request, 0x0110)),
        (0x0800, 0x0101),
        (0x0900, 0),
        (0x1000, field(request, 0x1000)),
    )
    return pdus(answer, 1, longest, 3)


@contextmanager
def dcmqrscp() -> Iterator[Receiver]:
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        port = free_port()
        (Path(folder) / "store").mkdir()
        settings = Path(folder) / "dcmqrscp.cfg"
        settings.write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
            f"HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nQRSCP {folder}/store RW (500, 4096mb) ANY\nAETable END\n"
        )
        with running(["dcmqrscp", "-c", str(settings)], port, cwd=folder) as process:
            yield Receiver("DCMTK dcmqrscp", "QRSCP", port, process)


@contextmanager
def loaded_home(folder: Path) -> Iterator[Receiver]:
    with home() as (root, env):
        subprocess.run(
            [LEADGLASS, "import", "--json", str(folder)], env=env, check=True, stdout=subprocess.DEVNULL
        )
        with serving(root, env, "leadglass, TLS", tls=True) as receiver:
            yield receiver


@contextmanager
def loaded_peer(start: object, folder: Path, count: int) -> Iterator[Receiver]:
    with start as receiver:  # type: ignore[attr-defined]
        raw(receiver, folder, count, 1, "--study", str(STUDY))
        yield receiver


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--slices", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    found: dict[str, list[tuple[float, float, Use]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as scratch:
        folder = Path(scratch)
        write_slices(folder, asked.slices, study=STUDY, per_series=asked.slices)
        peers = [loaded_home(folder)]
        if shutil.which("Orthanc"):
            peers.append(loaded_peer(orthanc("Orthanc", synced=False), folder, asked.slices))
        if shutil.which("dcmqrscp"):
            peers.append(loaded_peer(dcmqrscp(), folder, asked.slices))
        for peer in peers:
            with peer as receiver:
                for number in range(asked.rounds + 1):
                    with using(receiver.process.pid) as use:
                        count, size, seconds, first = get(
                            receiver, f"{CALLING}TLS" if receiver.tls else CALLING
                        )
                    assert count == asked.slices, f"{receiver.name}: {count} of {asked.slices}"
                    if number:  # the first one warms the page cache
                        found[receiver.name].append((size / MB / seconds, first * 1000, use))
    print(f"C-GET of {asked.slices} slices")
    for name, taken in found.items():
        print(
            f"  {name:<18}{spread([each[0] for each in taken], '.0f'):>18} MB/s   first byte "
            f"{spread([each[1] for each in taken], '.0f')} ms   memory {max(each[2].pss for each in taken):.0f} MB   "
            f"cpu {sum(each[2].cpu for each in taken) / len(taken):.1f} s"
        )
    print("  bound for leadglass ≥ 300 MB/s")


if __name__ == "__main__":
    main()
