"""What connections cost the server, and how long others wait beside a thousand that want nothing.

    python bench/associations.py [--associations 200] [--crowd 1000] [--echoes 300]

Memory is the server's, all processes, shared pages once (PSS), over what it held before. The crowd comes from
many addresses of loopback; half of it says nothing, half one byte a second, and who is thrown out comes again.
A C-ECHO is timed with its connection: connect, associate, ask, release.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import percentile, resident
from receivers import CALLING, Receiver, descriptors, orthanc, ours
from wire import IMPLICIT, VERIFICATION, Association, Refused, associate_rq, connected, tls_context

HERE = Path(__file__).resolve().parent
PER_ADDRESS = 4


def address(number: int) -> str:
    """Of loopback, another one after every few."""
    return f"127.2.0.{number // PER_ADDRESS % 250 + 1}"


def request(receiver: Receiver) -> bytes:
    calling = f"{CALLING}TLS" if receiver.tls else CALLING
    return associate_rq(receiver.title, calling, [(VERIFICATION, IMPLICIT)])


def authenticated(receiver: Receiver, count: int) -> None:
    """So many associations at once, each with a certificate and one C-ECHO."""
    assert receiver.tls is not None
    tls, before, open_before = (
        tls_context(receiver.tls),
        resident(receiver.process.pid),
        descriptors(receiver.process.pid),
    )
    made = []
    for number in range(count):
        association = Association(connected(receiver.port, address(number)), request(receiver), tls)
        assert association.echo() == 0
        association.buffer = memoryview(b"")
        made.append(association)
    time.sleep(1)
    more = resident(receiver.process.pid) - before
    print(f"{count} authenticated associations   {more / count * 1000:.0f} KB each      bound ≤ 2000")
    print(
        f"  descriptors                      {(descriptors(receiver.process.pid) - open_before) / count:.2f} each"
    )
    for association in made:
        association.close()
    wait_until_gone(receiver, open_before)
    print(f"  memory after they left           {resident(receiver.process.pid) - before:+.0f} MB")


def wait_until_gone(receiver: Receiver, wanted: int) -> None:
    until = time.monotonic() + 30
    while descriptors(receiver.process.pid) > wanted and time.monotonic() < until:
        time.sleep(0.1)
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
        more = resident(receiver.process.pid) - before
        there = descriptors(receiver.process.pid) - open_before
        print(
            f"{receiver.name}: {there} of {count} that say nothing   {more / max(there, 1) * 1000:.0f} KB each      bound ≤ 256"
        )
    wait_until_gone(receiver, open_before)


def echo(receiver: Receiver, tls: object, source: str) -> float:
    started = time.perf_counter()
    association = Association(connected(receiver.port, source), request(receiver), tls)  # type: ignore[arg-type]
    assert association.echo() == 0
    association.release()
    return (time.perf_counter() - started) * 1000


def beside(receiver: Receiver, idle: int, slow: int, echoes: int) -> None:
    tls = tls_context(receiver.tls) if receiver.tls else None
    # At the receive-only listener a sender is known by its address.
    source = "127.0.0.1"
    alone = [echo(receiver, tls, source) for _ in range(min(echoes, 50))]
    with crowd(receiver, idle, slow) as process:
        taken, refused = [], 0
        for _ in range(echoes):
            try:
                taken.append(echo(receiver, tls, source))
            except (Refused, OSError):
                refused += 1
            time.sleep(0.02)
        there = present(process) if receiver.title == "LEADGLASS" else str(idle + slow)
    print(
        f"{receiver.name}: C-ECHO alone p50 {percentile(alone, 0.5):.1f} ms, beside {idle} idle and {slow} slow "
        f"(open, thrown out: {there}) p50 {percentile(taken, 0.5):.1f} p99 {percentile(taken, 0.99):.1f} "
        f"max {max(taken):.1f} ms, {refused} refused     bound p99 ≤ 100"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--associations", type=int, default=200)
    options.add_argument("--crowd", type=int, default=1000)
    options.add_argument("--echoes", type=int, default=300)
    asked = options.parse_args()
    with ours("leadglass, TLS", tls=True) as receiver:
        authenticated(receiver, asked.associations)
        strangers(receiver, asked.associations)
        beside(receiver, asked.crowd // 2, asked.crowd - asked.crowd // 2, asked.echoes)
    with ours("leadglass") as receiver:
        strangers(receiver, asked.associations)
        beside(receiver, asked.crowd // 2, asked.crowd - asked.crowd // 2, asked.echoes)
    if shutil.which("Orthanc"):
        with orthanc("Orthanc", synced=True) as receiver:
            beside(receiver, 1, 0, 1)


if __name__ == "__main__":
    main()
