"""A C-STORE sender that costs as little as can be: every byte is encoded before the clock starts.

    python bench/sender.py PORT FOLDER [--associations 4] [--study 1000001] [--apart] [--tls FOLDER]

Each message goes out in PDUs as long as the receiver says it takes, in one `sendall`. Prints one JSON object.
The files are those of `common.write_slices`, all of study 1000000: its number is replaced, so that a receiver
has not seen them before. With `--apart` every association sends a study of its own.
"""

from __future__ import annotations

import argparse
import json
import struct
import threading
import time
from collections import Counter
from pathlib import Path

from wire import C_STORE, CT, EXPLICIT, Association, associate_rq, command, connected, pdus, tls_context

STUDY = b"1000000"
HEADER = 1 << 16  # of a file: no text of the header lies behind it


def store_request(file: bytes, number: int, longest: int) -> bytes:
    """The whole message for one Part 10 file."""
    (meta,) = struct.unpack_from("<I", file, 140)  # (0002,0000), the first element behind preamble and prefix
    at = file.index(b"\x02\x00\x03\x00UI", 132) + 8
    (length,) = struct.unpack_from("<H", file, at - 2)
    head = command(
        (0x0002, CT),
        (0x0100, C_STORE),
        (0x0110, number % 65535 + 1),
        (0x0700, 0),
        (0x0800, 1),
        (0x1000, file[at : at + length]),
    )
    return pdus(head, 1, longest) + pdus(file[144 + meta :], 0, longest)


def prepared(asked: argparse.Namespace) -> list[list[bytes]]:
    """The files of each association, with the study's number in place."""
    paths = sorted(asked.folder.iterdir())[: asked.instances]
    shares = []
    for number in range(asked.associations):
        study = str(asked.study + (number if asked.apart else 0)).encode()
        assert len(study) == len(STUDY)
        share = []
        for path in paths[number :: asked.associations]:
            data = path.read_bytes()
            share.append(data[:HEADER].replace(STUDY, study) + data[HEADER:])
        shares.append(share)
    return shares


def send(association: Association, messages: list[bytes], go: threading.Barrier, statuses: list[int]) -> None:
    go.wait()
    for message in messages:
        association.socket.sendall(message)
        statuses.append(association.status())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("port", type=int)
    options.add_argument("folder", type=Path)
    options.add_argument("--called", default="LEADGLASS")
    options.add_argument("--calling", default="BENCH")
    options.add_argument("--associations", type=int, default=1)
    options.add_argument("--instances", type=int, default=1 << 30)
    options.add_argument("--study", type=int, default=1_000_001)
    options.add_argument("--apart", action="store_true")
    options.add_argument("--tls", type=Path)
    asked = options.parse_args()
    tls = tls_context(asked.tls) if asked.tls else None
    request = associate_rq(asked.called, asked.calling, [(CT, EXPLICIT)])
    ready, go = [], threading.Barrier(asked.associations + 1)
    statuses: list[int] = []
    for share in prepared(asked):
        association = Association(connected(asked.port), request, tls)
        messages = [store_request(file, number, association.longest) for number, file in enumerate(share)]
        share.clear()
        ready.append((association, threading.Thread(target=send, args=(association, messages, go, statuses))))
    for _, thread in ready:
        thread.start()
    go.wait()
    started, used = time.perf_counter(), time.process_time()
    for _, thread in ready:
        thread.join()
    seconds, used = time.perf_counter() - started, time.process_time() - used
    for association, _ in ready:
        association.release()
    said = {f"{status:04X}": count for status, count in Counter(statuses).items()}
    print(json.dumps({"seconds": seconds, "cpu": used, "statuses": said, "pdu": ready[0][0].longest}))


if __name__ == "__main__":
    main()
