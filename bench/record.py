"""How fast the access record is: durable appends, their latency, publishing, verification, pages.

    python bench/record.py [--entries 5000] [--rounds 3] [--dir DIR]

Prints the median of the rounds and their spread (lowest to highest). The disk decides most of it: say which.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from leadglass.db.engine import Database, metadata
from leadglass.db.sqlcipher import SealedFile
from leadglass.note import Signer
from leadglass.record import schema
from leadglass.record.entry import Entry
from leadglass.record.log import Log
from leadglass.record.published import Publisher
from leadglass.record.reader import entries
from leadglass.record.verify import verify

NOW = 1_760_000_000_000
SIGNER = Signer.from_seed("leadglass.bench/record", bytes(32))


def entry(number: int) -> Entry:
    return Entry(
        actor=f"user:{number % 40}",
        actor_name="Dr. Roth",
        role="radiologist",
        action="study.view",
        phase="open",
        address="192.0.2.7",
        department=1,
        patients=(f"P{number % 5000}",),
        studies=(f"1.2.826.0.1.3680043.8.498.{number % 9000}",),
    )


def home(directory: Path) -> Database:
    key = os.urandom(32)
    engine = SealedFile(directory / "index.db", key).engine()
    metadata.create_all(engine, tables=[schema.log_entries, schema.log_subjects, schema.log_head])
    engine.dispose()
    return SealedFile(directory / "index.db", key).open()


def append(database: Database, log: Log, number: int) -> int:
    return int(database.write(lambda tx: log.append(tx, entry(number), NOW + number)).result())


def one_by_one(database: Database, log: Log, count: int) -> list[float]:
    """Milliseconds of each durable append while nobody else writes."""
    taken = []
    for number in range(count):
        start = time.perf_counter()
        append(database, log, number)
        taken.append((time.perf_counter() - start) * 1000)
    return sorted(taken)


def by_threads(database: Database, log: Log, count: int, threads: int) -> float:
    """Durable appends per second by `threads` callers that each wait for theirs."""

    def work(first: int) -> None:
        for number in range(first, count, threads):
            append(database, log, number)

    workers = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count / (time.perf_counter() - start)


def pipelined(database: Database, log: Log, count: int) -> float:
    """Durable appends per second by a caller that submits all and then waits: full groups."""
    start = time.perf_counter()
    futures = [
        database.write(lambda tx, number=number: log.append(tx, entry(number), NOW + number))
        for number in range(count)
    ]
    for future in futures:
        future.result()
    return count / (time.perf_counter() - start)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def page(database: Database, number: int) -> None:
    with database.read() as connection:
        entries(connection, patient=f"P{number}", limit=100)


def measure(directory: Path, count: int) -> dict[str, float]:
    database, log = home(directory), Log(SIGNER)
    figures: dict[str, float] = {}
    try:
        alone = one_by_one(database, log, min(300, count))
        figures["one durable entry alone, p50 ms"] = alone[len(alone) // 2]
        figures["one durable entry alone, p99 ms"] = alone[len(alone) * 99 // 100]
        for threads in (1, 8, 32):
            figures[f"appends/s, {threads} waiting threads"] = by_threads(database, log, count // 5, threads)
        figures["appends/s, pipelined"] = pipelined(database, log, count)
        with database.read() as connection:
            size = connection.exec_driver_sql("SELECT size FROM log_head").scalar_one()
        publisher = Publisher(directory / "record", SIGNER.key)
        figures["first publication, entries/s"] = size / timed(lambda: publisher.publish(database.read))
        append(database, log, 0)
        figures["publication of one more entry, ms"] = timed(lambda: publisher.publish(database.read)) * 1000
        verdict = None

        def check() -> None:
            nonlocal verdict
            verdict = verify(database.read, SIGNER.key, published=directory / "record")

        figures["verification, entries/s"] = (size + 1) / timed(check)
        assert verdict is not None
        assert verdict.ok, verdict.problems
        pages = sorted(timed(lambda number=number: page(database, number)) for number in range(200))
        figures["page of one patient, p50 ms"] = pages[100] * 1000
        figures["page of one patient, p99 ms"] = pages[198] * 1000
    finally:
        database.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--dir", type=Path, help="where the databases are made (default: the temporary directory)"
    )
    arguments = parser.parse_args()
    rounds = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(dir=arguments.dir) as directory:
            rounds.append(measure(Path(directory), arguments.entries))
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        print(f"{name:40} {statistics.median(values):10.2f}   {min(values):.2f} to {max(values):.2f}")


if __name__ == "__main__":
    main()
