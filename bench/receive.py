"""How fast images are received over DICOM: ours, durable and sealed, beside Orthanc and DCMTK, taking turns.

    python bench/receive.py [--instances 500] [--rounds 5] [--stock 100] [--only leadglass,Orthanc]

CT images of 512 × 512 × 16 bit with 256 header elements. Two senders: `sender.py`, which costs as little as can
be, at one association and at four, and DCMTK's own `storescu`. Every run meets a receiver that has just been
started, with nothing in it. Ratios are between runs of the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from common import MB, spread, write_slices
from receivers import CALLING, Receiver, Use, receivers, using

HERE = Path(__file__).resolve().parent
BASELINES = ("Orthanc, no fsync", "Orthanc, fsync", "leadglass")


@dataclass(frozen=True, slots=True)
class Took:
    """Instances a second, and what the receiver used."""

    rate: float
    use: Use
    sender_cpu: float = 0.0


def tls_words(receiver: Receiver) -> list[str]:
    if receiver.tls is None:
        return []
    folder = receiver.tls
    return ["+tls", str(folder / "key.pem"), str(folder / "certificate.pem"), "+cf", str(folder / "ca.pem")]


def calling(receiver: Receiver) -> str:
    return f"{CALLING}TLS" if receiver.tls else CALLING


def raw(receiver: Receiver, folder: Path, count: int, associations: int, *more: str) -> Took:
    """`sender.py`; every instance must be answered with success."""
    command = [sys.executable, str(HERE / "sender.py"), str(receiver.port), str(folder)]
    command += ["--called", receiver.title, "--calling", calling(receiver)]
    command += ["--associations", str(associations), "--instances", str(count), *more]
    command += ["--tls", str(receiver.tls)] if receiver.tls else []
    with using(receiver.process.pid) as use:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(f"{receiver.name}: {done.stderr}")
    said = json.loads(done.stdout)
    assert said["statuses"] == {"0000": count}, f"{receiver.name}: {said['statuses']}\n{done.stderr}"
    return Took(count / said["seconds"], use, said["cpu"])


def stock(receiver: Receiver, folder: Path, count: int) -> Took:
    """`storescu` with its own defaults, its start included."""
    command = ["storescu", "-aec", receiver.title, "-aet", calling(receiver), *tls_words(receiver)]
    files = [str(path) for path in sorted(folder.iterdir())[:count]]
    with using(receiver.process.pid) as use:
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "127.0.0.1", str(receiver.port), *files], capture_output=True, text=True, timeout=600
        )
        seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{receiver.name}: {done.stderr}")
    return Took(count / seconds, use)


def report(title: str, found: dict[str, list[Took]], count: int, size: float) -> None:
    print(f"\n{title}")
    rates = {name: [took.rate for took in all_of] for name, all_of in found.items()}
    for name, all_of in found.items():
        pss = max(took.use.pss for took in all_of)
        cpu = sum(took.use.cpu for took in all_of) / len(all_of) / count * 1000
        most = max(took.use.descriptors for took in all_of)
        speed = statistics.median(rates[name]) * size / MB
        print(
            f"  {name:<18}{spread(rates[name], '.0f'):>18}/s  {speed:4.0f} MB/s  "
            f"cpu {cpu:4.1f} ms each  memory {pss:4.0f} MB  descriptors {most}"
        )
    for name in found:
        for base in BASELINES:
            if name.startswith("leadglass") and base in found and base != name:
                ratios = [a / b for a, b in zip(rates[name], rates[base], strict=True)]
                print(f"  {name} ÷ {base:<18}{spread(ratios, '.2f')}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--instances", type=int, default=500)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--stock", type=int, default=100, help="how many instances storescu sends; 0: none")
    options.add_argument("--only", default="", help="receivers whose name holds one of these, by comma")
    options.add_argument("--apart", action="store_true", help="each association sends a study of its own")
    asked = options.parse_args()
    words = asked.only.split(",")
    chosen = {name: start for name, start in receivers().items() if any(word in name for word in words)}
    kinds = {"1 association": 1, "4 associations": 4}
    found: dict[str, dict[str, list[Took]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as scratch:
        folder = Path(scratch)
        size = write_slices(folder, asked.instances, study=1_000_000) / asked.instances
        for _ in range(asked.rounds):
            for title, associations in kinds.items():
                for name, start in chosen.items():
                    os.sync()  # what the last receiver left behind must not be written in this one's turn
                    with start() as receiver:
                        more = ["--apart"] if asked.apart else []
                        took = raw(receiver, folder, asked.instances, associations, *more)
                        found[title][name].append(took)
            if asked.stock and shutil.which("storescu"):
                for name, start in chosen.items():
                    with start() as receiver:
                        found["storescu"][name].append(stock(receiver, folder, asked.stock))
        for title, by_name in found.items():
            count = asked.stock if title == "storescu" else asked.instances
            report(f"{title}, {count} instances of {size / MB:.2f} MB", by_name, count, size)


if __name__ == "__main__":
    main()
