"""What connections cost the server, and how long others wait beside a thousand that want nothing.

    python bench/associations.py [--associations 200] [--crowd 1000] [--seconds 40]

Memory is the server's, all processes, shared pages once (PSS), over what it held before; and with every one of
the associations in the middle of a C-STORE. The crowd comes from many addresses of loopback; half of it says
nothing, half one byte a second, and who is thrown out comes again: the seconds are more than two of the deadlines
at which that happens to all of them at once. A C-ECHO is timed with its connection: connect, associate, ask,
release.
"""

from __future__ import annotations

import argparse
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common import percentile, resident, write_slices
from receive import calling
from receivers import Receiver, descriptors, orthanc, ours
from sender import STUDY, store_request
from wire import (
    CT,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    Association,
    Refused,
    associate_rq,
    connected,
    tls_context,
)

from leadglass.heap import EVERY_SECONDS

HERE = Path(__file__).resolve().parent
PER_ADDRESS = 4
KNOWN = "127.0.0.1"
WARMING = 16  # associations before any is measured: threads and the database's connections are made once
PAUSE = 0.02  # s between two C-ECHOs
ECHO = 3  # the presentation context


def address(receiver: Receiver, number: int) -> str:
    """Of loopback, another one after every few; at the receive-only listener a sender is known by its address."""
    return f"127.2.0.{number // PER_ADDRESS % 250 + 1}" if receiver.tls else KNOWN


def request(receiver: Receiver) -> bytes:
    return associate_rq(receiver.title, calling(receiver), [(CT, EXPLICIT), (VERIFICATION, IMPLICIT)])


def associated(receiver: Receiver, count: int) -> Iterator[Association]:
    """So many associations from several addresses, each asked for one C-ECHO."""
    tls = tls_context(receiver.tls) if receiver.tls else None
    for number in range(count):
        association = Association(connected(receiver.port, address(receiver, number)), request(receiver), tls)
        association.buffer = memoryview(bytearray(4096))  # the server's memory is what is measured
        assert association.echo(ECHO) == 0
        yield association


def authenticated(receiver: Receiver, count: int) -> None:
    """So many associations at once, each with a certificate: between messages, and amid one."""
    before, open_before = resident(receiver.process.pid), descriptors(receiver.process.pid)
    made = list(associated(receiver, count))
    more, there = resident(receiver.process.pid) - before, descriptors(receiver.process.pid) - open_before
    print(f"{count} authenticated associations   {more / count * 1000:.0f} KB each      bound ≤ 2000")
    print(f"  descriptors                      {there / count:.2f} each")
    more = amid_storing(receiver, made) - before
    print(f"  each amid a C-STORE              {more / count * 1000:.0f} KB each      bound ≤ 2000")
    for association in made:
        association.close()
    wait_until_gone(receiver, open_before)
    time.sleep(2 * EVERY_SECONDS + 2)  # in the second interval there was no work
    print(f"  memory after they left           {resident(receiver.process.pid) - before:+.0f} MB")


def warm(receiver: Receiver) -> None:
    before = descriptors(receiver.process.pid)
    for association in list(associated(receiver, WARMING)):
        association.release()
    reached(receiver, lambda there: there < before + WARMING)


def amid_storing(receiver: Receiver, made: list[Association]) -> float:
    """What the server holds when each has sent one half of an image. Each then sends the other, and it is kept."""
    halves = []
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        write_slices(Path(folder), len(made), study=int(STUDY))
        for path, association in zip(sorted(Path(folder).iterdir()), made, strict=True):
            message = store_request(path.read_bytes(), 1, association.longest)
            association.socket.sendall(message[: len(message) // 2])
            halves.append(message[len(message) // 2 :])
    time.sleep(1)
    held = resident(receiver.process.pid)
    for association, half in zip(made, halves, strict=True):
        association.socket.sendall(half)
        assert association.status() == 0
    return held


def reached(receiver: Receiver, what: Callable[[int], bool]) -> None:
    """Wait until so many descriptors are open, though not for ever: then the figures say so."""
    until = time.monotonic() + 10
    while not what(descriptors(receiver.process.pid)) and time.monotonic() < until:
        time.sleep(0.1)


def wait_until_gone(receiver: Receiver, wanted: int) -> None:
    reached(receiver, lambda there: there <= wanted)
    left = descriptors(receiver.process.pid) - wanted
    print(f"  descriptors after they left      {left:+d}")


@contextmanager
def crowd(receiver: Receiver, idle: int, slow: int) -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        str(HERE / "crowd.py"),
        str(receiver.port),
        "--idle",
        str(idle),
        "--slow",
        str(slow),
    ]
    command += ["--tls", str(receiver.tls)] if receiver.tls else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()


def present(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def strangers(receiver: Receiver, count: int) -> None:
    """What a connection costs that has said nothing yet."""
    before, open_before = resident(receiver.process.pid), descriptors(receiver.process.pid)
    with crowd(receiver, count, 0):
        reached(receiver, lambda there: there >= open_before + count)
        more = resident(receiver.process.pid) - before
        there = descriptors(receiver.process.pid) - open_before
        each = more / max(there, 1) * 1000
        print(f"{receiver.name}: {there} of {count} that say nothing   {each:.0f} KB each      bound ≤ 256")
    wait_until_gone(receiver, open_before)


def echo(receiver: Receiver, tls: ssl.SSLContext | None) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    association = Association(connected(receiver.port, KNOWN), request(receiver), tls)
    assert association.echo(ECHO) == 0
    association.release()
    return (time.perf_counter() - started) * 1000


def echoes(receiver: Receiver, seconds: float) -> tuple[list[float], int]:
    """What they took, and how many were refused."""
    tls = tls_context(receiver.tls) if receiver.tls else None
    taken, refused, until = [], 0, time.monotonic() + seconds
    while time.monotonic() < until or not taken:
        try:
            taken.append(echo(receiver, tls))
        except (Refused, OSError):
            refused += 1
        time.sleep(PAUSE)
    return taken, refused


def beside(receiver: Receiver, idle: int, slow: int, seconds: float) -> None:
    alone, _ = echoes(receiver, min(seconds, 2))
    with crowd(receiver, idle, slow) as process:
        taken, refused = echoes(receiver, seconds)
        there = present(process)
    print(
        f"{receiver.name}: {len(taken)} C-ECHO beside {idle} idle and {slow} slow (open, thrown out: {there})"
    )
    print(
        f"  alone p50 {percentile(alone, 0.5):.1f} ms, beside them p50 {percentile(taken, 0.5):.1f} "
        f"p99 {percentile(taken, 0.99):.1f} max {max(taken):.1f} ms, {refused} refused     bound p99 ≤ 100"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--associations", type=int, default=200)
    options.add_argument("--crowd", type=int, default=1000)
    options.add_argument("--seconds", type=float, default=40)
    asked = options.parse_args()
    half = asked.crowd // 2
    with ours("leadglass, TLS", tls=True) as receiver:
        warm(receiver)
        strangers(receiver, asked.associations)
        authenticated(receiver, asked.associations)
        beside(receiver, half, asked.crowd - half, asked.seconds)
    with ours("leadglass") as receiver:
        warm(receiver)
        strangers(receiver, asked.associations)
        beside(receiver, half, asked.crowd - half, asked.seconds)
    if shutil.which("Orthanc"):
        with orthanc("Orthanc", synced=True) as receiver:
            beside(receiver, 1, 0, 0)


if __name__ == "__main__":
    main()
