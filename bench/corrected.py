"""C-GET and C-MOVE of a study that somebody corrected, beside the same study as it came.

    python bench/corrected.py [--images 300] [--rounds 5]

C-GET over TLS to `wire.py`, which answers every C-STORE with success; C-MOVE to DCMTK's storescp, which throws
away what it gets. Round by round as it came, under a name that the images' character set has, and under one
that it lacks. Medians with spread.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from common import LEADGLASS, MB, home, leadglass, spread
from getscu import stored
from identity import image
from receivers import arrange, free_port, running, serving
from wire import (
    C_GET,
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

STUDY_ROOT_MOVE, C_MOVE = "1.2.840.10008.5.1.4.1.2.2.2", 0x0021
STUDY, MOVER, SINK, WHO = "1.2.8.1", "BENCHMOVE", "SINK", "pacs"
NAMES = {"as it came": None, "a name it has": "ROTH^ÄNNE", "one it lacks": "ROTH^ANNA=山田^花子"}


def identifier() -> bytes:
    """The study, in implicit VR little endian."""
    level, uid = element(0x0052, "STUDY "), element(0x000D, STUDY)
    return b"\x08\x00" + level[2:] + b"\x20\x00" + uid[2:]


def retrieved(port: int, folder: Path, *, by_move: bool) -> float:
    """Seconds until the last response, which says that all succeeded."""
    model, number = (STUDY_ROOT_MOVE, C_MOVE) if by_move else (STUDY_ROOT_GET, C_GET)
    contexts = [(model, IMPLICIT)] if by_move else [(model, IMPLICIT), (CT, EXPLICIT)]
    request = associate_rq("LEADGLASS", MOVER, contexts, role="" if by_move else CT)
    association = Association(connected(port), request, tls_context(folder))
    to = [(0x0600, SINK)] if by_move else []
    asked = command((0x0002, model), (0x0100, number), (0x0110, 1), *to, (0x0700, 0), (0x0800, 1))
    started = time.perf_counter()
    association.socket.sendall(pdus(asked, 1, 16384) + pdus(identifier(), 0, 16384))
    message = b""
    while True:
        for _, flags, value in association.values():
            if not flags & 1:
                if flags & 2:
                    association.socket.sendall(stored(message, association.longest))
                continue
            message = bytes(value)
            if int.from_bytes(field(message, 0x0100), "little") != number | RESPONSE:
                continue
            status = int.from_bytes(field(message, 0x0900), "little")
            if status & 0xFF00 != 0xFF00:
                taken = time.perf_counter() - started
                assert status == 0, f"it ended with {status:04X}"
                association.release()
                return taken


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--images", type=int, default=300)
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as scratch, home() as (root, env):
        folder, size = Path(scratch) / "files", 0
        folder.mkdir()
        for number in range(asked.images):
            size += (folder / f"{number}.dcm").write_bytes(image(STUDY, number + 1, "P-1", 512))
        subprocess.run(
            [LEADGLASS, "import", "--json", folder], env=env, check=True, stdout=subprocess.DEVNULL
        )
        leadglass(env, "user", "add", WHO, "--role", "pacs_administrator")
        sink, mover = free_port(), Path(scratch) / "mover"
        leadglass(env, "ae", "add", MOVER, "--issue-certificate", str(mover), "--allow", "get,move")
        arrange(mover)
        plain = ["--plain", "--reason", "a benchmark on loopback", "--issue-certificate", f"{scratch}/sink"]
        leadglass(env, "ae", "add", f"{SINK}@127.0.0.1:{sink}", *plain)
        storescp = ["storescp", "--ignore", "-pdu", "131072", "-aet", SINK, str(sink)]
        with running(storescp, sink), serving(root, env, "leadglass", tls=True) as receiver:
            for turn in range(asked.rounds + 1):
                for what, name in NAMES.items():
                    change = corrected(env, name)
                    for way in ("C-GET", "C-MOVE"):
                        seconds = retrieved(receiver.port, mover, by_move=way == "C-MOVE")
                        if turn:  # the first one warms the page cache
                            found[way, what].append(size / MB / seconds)
                    if change is not None:
                        words = ["patient", "undo", str(change), "--reason", "bench", "--yes"]
                        leadglass(env, *words, "--as", WHO)
    for (way, what), rates in sorted(found.items()):
        of = spread([a / b for a, b in zip(rates, found[way, "as it came"], strict=True)], ".2f")
        print(f"{way:<7} {what:<14} {spread(rates, '.0f'):>18} MB/s   of it as it came: {of}")


def corrected(env: dict[str, str], name: str | None) -> int | None:
    """The number of the change."""
    if name is None:
        return None
    words = ["patient", "correct", "--study", STUDY, "--name", name, "--reason", "bench", "--yes"]
    return int(str(leadglass(env, *words, "--as", WHO)["change"]))


if __name__ == "__main__":
    main()
