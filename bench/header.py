"""How long a CT header takes: index keys and full DICOM JSON, ours beside pydicom's, in one run.

    python bench/header.py [--rounds 40] [--json]

The header is a made-up one of 256 elements with two sequences, in front of 0.5 MB of pixels. Each figure is
the median of many rounds, with the span from the 5th to the 95th percentile. Processor time is measured, and
ours and pydicom's rounds alternate, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable

import orjson
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG
from leadglass.dicom.json import dumps
from leadglass.dicom.part10 import Part10Parser

KEY_WORDS = """
    SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate SeriesDate AcquisitionDate ContentDate
    StudyTime SeriesTime ContentTime AccessionNumber Modality ModalitiesInStudy Manufacturer InstitutionName
    ReferringPhysicianName StudyDescription SeriesDescription PatientName PatientID IssuerOfPatientID
    PatientBirthDate PatientSex BodyPartExamined ProtocolName StudyInstanceUID SeriesInstanceUID StudyID
    SeriesNumber InstanceNumber Rows Columns NumberOfFrames BitsAllocated
"""
KEYS = frozenset(TAG_BY_KEYWORD[word] for word in KEY_WORDS.split())
BOUNDS_MS = {"keys": 0.4, "json": 1.2}
_SAMPLES = {
    "AE": "SCANNER1",
    "AS": "052Y",
    "CS": "ORIGINAL",
    "DA": "20240229",
    "DS": ["1.25", "-0.5", "310.9"],
    "DT": "20240229101112.5",
    "FD": 0.125,
    "FL": 2.5,
    "IS": "42",
    "LO": "Thorax routine",
    "LT": "Breath hold",
    "PN": "Demo^Patient",
    "SH": "ROOM 4",
    "ST": "Made up",
    "TM": "101112.000",
    "UI": "1.2.826.0.1.3680043.2.1125.1",
    "UL": 7,
    "US": 512,
    "SS": -12,
}


def made_up_header() -> Dataset:
    """256 elements below pixel data, counted with the elements of the items, and 0.5 MB of pixels."""
    ds = Dataset()
    for word in KEYS:
        put(ds, word)
    item = Dataset()
    item.ReferencedSOPClassUID = CTImageStorage
    item.ReferencedSOPInstanceUID = "1.2.826.0.1.3680043.2.1125.2"
    ds.ReferencedImageSequence = [item, item]
    step = Dataset()
    for word in KEYS - {TAG_BY_KEYWORD["SpecificCharacterSet"]}:
        if len(step) < 10 and VR_BY_TAG[word] in ("LO", "SH", "DA", "TM"):
            put(step, word)
    ds.RequestAttributesSequence = [step]
    for tag, vr in sorted(VR_BY_TAG.items()):
        if sum(1 for _ in ds.iterall()) >= 256:
            break
        if 0x00080000 < tag < 0x00400000 and vr in _SAMPLES and tag not in ds and tag & 0xFFFF:
            put(ds, tag)
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.Rows = ds.Columns = 512
    ds.BitsAllocated = 16
    ds.add_new(0x7FE00010, "OW", bytes(512 * 512 * 2))
    return ds


def put(ds: Dataset, tag: int) -> None:
    ds.add_new(tag, VR_BY_TAG[tag], _SAMPLES[VR_BY_TAG[tag]])


def as_file(ds: Dataset, syntax: str) -> bytes:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = io.BytesIO()
    ds.save_as(
        out, enforce_file_format=True, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True
    )
    return out.getvalue()


def our_keys(data: bytes) -> object:
    parser = Part10Parser(wanted=KEYS)
    parser.feed(data)
    return parser.dataset and parser.dataset.elements


def our_json(data: bytes) -> object:
    parser = Part10Parser()
    parser.feed(data)
    return parser.dataset and dumps(parser.dataset.elements)


def their_keys(data: bytes) -> object:
    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=list(KEYS))


def their_header(data: bytes) -> object:
    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)


def their_json(data: bytes) -> object:
    return orjson.dumps(pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).to_json_dict())


Measured = Callable[[bytes], object]
PAIRS: dict[str, tuple[Measured, Measured]] = {
    "keys": (our_keys, their_keys),
    "json": (our_json, their_json),
}


def measure(ours: Measured, theirs: Measured, data: bytes, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds per call; a round is ten calls of ours and two of theirs."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for times, run, calls in ((taken[0], ours, 10), (taken[1], theirs, 2)):
            start = time.process_time()
            for _ in range(calls):
                run(data)
            times.append((time.process_time() - start) * 1000 / calls)
    return taken


def summary(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=20)
    return {"median": round(statistics.median(times), 3), "p5": round(cuts[0], 3), "p95": round(cuts[-1], 3)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    header = made_up_header()
    results = []
    for name, syntax in (("explicit", ExplicitVRLittleEndian), ("implicit", ImplicitVRLittleEndian)):
        data = as_file(header, syntax)
        for job, (ours, theirs) in PAIRS.items():
            mine, other = measure(ours, theirs, data, chosen.rounds)
            results.append(
                {
                    "syntax": name,
                    "job": job,
                    "bound_ms": BOUNDS_MS[job],
                    "leadglass_ms": summary(mine),
                    "pydicom_ms": summary(other),
                    "ratio": round(statistics.median(other) / statistics.median(mine), 1),
                }
            )
    if chosen.json:
        print(orjson.dumps(results).decode())
        return
    print(f"CT header, {sum(1 for _ in header.iterall())} elements; milliseconds, median (5 % to 95 %)")
    for r in results:
        mine, other = r["leadglass_ms"], r["pydicom_ms"]
        print(
            f"{r['syntax']:9} {r['job']:5} bound {r['bound_ms']:.1f}   leadglass {mine['median']:.3f} "
            f"({mine['p5']:.3f} to {mine['p95']:.3f})   pydicom {other['median']:.2f} "
            f"({other['p5']:.2f} to {other['p95']:.2f})   {r['ratio']}x"
        )


if __name__ == "__main__":
    main()
