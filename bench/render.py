"""How long a picture takes in the sandbox, and what its processes weigh. Run: python bench/render.py"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import data_store
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from leadglass.archive.rendering.sandbox import RenderLimits, RenderRequest, Sandbox

ROUNDS = 100


def image(rows: int, columns: int) -> bytes:
    """Noise over a gradient: harder for JPEG than a patient."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    noise = np.random.default_rng(7).normal(0, 40, (rows, columns))
    ds.PixelData = (np.linspace(200, 3800, columns) + noise).astype("<u2").tobytes()
    part10 = io.BytesIO()
    ds.save_as(part10, enforce_file_format=True)
    return part10.getvalue()


def milliseconds(work: Callable[[int], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Median and 99th percentile."""
    taken = []
    for number in range(rounds):
        started = time.perf_counter()
        work(number)
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def once(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def resident(pid: int) -> str:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    size = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return f"{size['Rss']:5.0f} MB resident, {size['Pss']:5.0f} MB its share"


def main() -> None:
    sandbox = Sandbox(RenderLimits(workers=2))
    ct, radiograph = image(512, 512), image(1955, 1841)
    jpeg2000 = (Path(data_store.__file__).parent / "data" / "RG1_J2KR.dcm").read_bytes()

    def ask(
        data: bytes, owner: str, key: object, edge: int, window: tuple[float, float] | None = None
    ) -> None:
        sandbox.render(owner, key, lambda: [data], len(data), RenderRequest(1, window, edge))

    print(f"first picture, nothing started    {once(lambda: ask(ct, 'a', 0, 512)):8.1f} ms")
    print(f"first picture of a second owner   {once(lambda: ask(ct, 'b', 0, 512)):8.1f} ms")
    slow: Callable[[int], object] = lambda n: ask(jpeg2000, "a", n, 256)  # noqa: E731
    rows: dict[str, Callable[[int], object]] = {
        "new owner, 512 x 512 CT": lambda n: ask(ct, f"owner {n}", n, 512),
        "another 512 x 512 CT": lambda n: ask(ct, "a", n, 512),
        "another window on that CT": lambda n: ask(ct, "a", "ct", 512, (1000 + n, 800)),
        "thumbnail of a 1955 x 1841 CR": lambda n: ask(radiograph, "a", n, 256),
        "quick look at it, edge 1024": lambda n: ask(radiograph, "a", n, 1024),
        "another window on it": lambda n: ask(radiograph, "a", "cr", 1024, (2000 + n, 800)),
        "thumbnail of a JPEG 2000 CR": slow,
    }
    for label, work in rows.items():
        median, worst = milliseconds(work, 10 if work is slow else ROUNDS)
        print(f"{label:32}  {median:8.1f} ms   p99 {worst:6.1f} ms   {1000 / median:6.0f} a second")
    print(f"zygote  {resident(sandbox._zygote.pid or 0)}")
    print(f"worker  {resident(sandbox.processes()['a'])}")
    sandbox.close()


if __name__ == "__main__":
    main()
