"""What the benchmarks share: made-up CT slices, throw-away homes, watched processes, medians with spread."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

MB = 1_000_000
ROOT = "1.2.826.0.1.3680043.10.1561"  # under a root for made-up data
LEADGLASS = str(Path(sys.executable).with_name("leadglass"))


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Median with lowest and highest."""
    return f"{statistics.median(values):{form}} [{min(values):{form}} – {max(values):{form}}]"


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * len(ordered)))]


def ct_header(study: int, series: int, number: int, *, elements: int = 256) -> Dataset:
    """A CT header of about `elements` elements: the ones every scanner writes, private ones for the rest."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = CTImageStorage
    ds.StudyInstanceUID = f"{ROOT}.{study}"
    ds.SeriesInstanceUID = f"{ROOT}.{study}.{series}"
    ds.SOPInstanceUID = f"{ROOT}.{study}.{series}.{number}"
    ds.PatientName, ds.PatientID = f"Bench^Person {study}", f"BENCH-{study:07d}"
    ds.PatientBirthDate, ds.PatientSex = "19700101", "O"
    ds.StudyDate, ds.StudyTime, ds.Modality = "20260105", "093000", "CT"
    ds.StudyDescription, ds.SeriesDescription = "Thorax", "Axial 1 mm"
    ds.AccessionNumber, ds.StudyID = f"A{study:08d}", str(study)
    ds.ReferringPhysicianName = "Roth^Anna"
    ds.SeriesNumber, ds.InstanceNumber = series, number
    ds.ImagePositionPatient = [-250.0, -250.0, float(number)]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [0.9765625, 0.9765625], 1.0
    ds.WindowCenter, ds.WindowWidth = [40, -600], [400, 1500]
    ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = 512
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, f"{ROOT}.9.{number}"
    ds.ReferencedImageSequence = [item, item]
    block = ds.private_block(0x0029, "LEADGLASS BENCH", create=True)
    for index in range(elements - sum(1 for _ in ds.iterall()) - 1):
        block.add_new(index, "LO" if index % 3 else "DS", "value of an element" if index % 3 else "1.25")
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def write_slices(
    folder: Path, count: int, *, study: int = 1, per_series: int = 250, matrix: int = 512
) -> int:
    """`count` slices of `matrix` × `matrix` × 16 bit, with 512 of 0.53 MB each; returns their bytes."""
    rng = np.random.default_rng(study)
    pixels = rng.integers(0, 4096, (matrix, matrix), dtype=np.uint16)
    total = 0
    for number in range(count):
        ds = ct_header(study, number // per_series + 1, number + 1)
        ds.Rows = ds.Columns = matrix
        ds.PixelData = (pixels + np.uint16(number % 97)).tobytes()
        path = folder / f"{study}-{number:05d}.dcm"
        ds.save_as(path, enforce_file_format=True)
        total += path.stat().st_size
    return total


@dataclass
class Watched:
    """The most that a process and its children held together, in MB, and the longest write-ahead log."""

    rss: float = 0.0
    wal: float = 0.0


@contextmanager
def watch(pid: int, home: Path, every: float = 0.05) -> Iterator[Watched]:
    """Sample a process tree of our own until the block ends."""
    seen, stop = Watched(), threading.Event()
    wal = home / "db" / "index.db-wal"

    def sample() -> None:
        while not stop.wait(every):
            seen.rss = max(seen.rss, held(pid))
            if wal.exists():
                seen.wal = max(seen.wal, wal.stat().st_size / MB)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def held(pid: int) -> float:
    """MB resident in a process and its children, shared pages counted in each: quick to ask, never too low.
    To ask for PSS fifty times a second took a third of the import's rate."""
    try:
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in [process, *process.children()]) / MB
    except psutil.Error:
        return 0.0


def resident(pid: int) -> float:
    """MB held by a process and its children; pages they share are counted once (PSS) where Linux tells."""
    total = 0.0
    try:
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_full_info().pss / MB
    except psutil.Error:
        pass
    return total


@contextmanager
def home(**environ: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """A new home and an environment whose key folder is beside it, both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="leadglass-bench-") as folder:
        root = Path(folder)
        env = os.environ | {
            "LEADGLASS_HOME": str(root / "home"),
            "XDG_CONFIG_HOME": str(root / "config"),
            **environ,
        }
        subprocess.run([LEADGLASS, "init", "--json"], env=env, check=True, stdout=subprocess.DEVNULL)
        yield root / "home", env


def leadglass(env: dict[str, str], *words: str, stdin: str | None = None) -> dict[str, object]:
    """A command with --json, its answer decoded."""
    done = subprocess.run(
        [LEADGLASS, *words, "--json"], env=env, check=True, capture_output=True, text=True, input=stdin
    )
    return dict(json.loads(done.stdout))


@contextmanager
def serving(env: dict[str, str], port: int) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """`leadglass serve` on loopback, and the seconds until it answered."""
    import httpx

    started = time.perf_counter()
    process = subprocess.Popen(
        [LEADGLASS, "serve", "--http", f"127.0.0.1:{port}"],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                httpx.get(f"http://localhost:{port}/healthz", timeout=1)
                break
            except httpx.TransportError:
                if process.poll() is not None or time.perf_counter() - started > 30:
                    raise
                time.sleep(0.01)
        yield process, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(timeout=20)
