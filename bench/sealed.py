"""Sealing and opening beside Tink's own streaming AEAD, and range reads.

Both sides work in turn, in one process, on one core and without a disk; what they seal is dropped. Figures
are medians over the rounds with the lowest and highest in brackets; ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

from leadglass.store.blobs import Blobs
from leadglass.store.sealed import SEGMENT, SealedReader, SealingWriter

KEY, NAME = os.urandom(32), os.urandom(16).hex().encode()
SIZES = {"0.5 MB": (530_000, 40), "64 MB": (64_000_000, 1)}  # bytes, objects per round
PIECE = 64 * 1024  # as the network brings it
RANGE = 64 * 1024
MB = 1_000_000


def tink_primitive() -> streaming_aead.StreamingAead:
    streaming_aead.register()
    proto = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(key_value=KEY)
    proto.params.ciphertext_segment_size = SEGMENT
    proto.params.derived_key_size = 32
    proto.params.hkdf_hash_type = common_pb2.SHA256
    keyset = tink_pb2.Keyset(primary_key_id=1)
    entry = keyset.key.add(status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
    entry.key_data.type_url = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"
    entry.key_data.value = proto.SerializeToString()
    entry.key_data.key_material_type = tink_pb2.KeyData.SYMMETRIC
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class Drop(io.RawIOBase):
    """Takes sealed bytes and keeps none, so that no growing buffer is measured."""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview, /) -> int:
        return memoryview(data).nbytes


def our_seal(plain: memoryview, sink: Callable[[memoryview], object]) -> None:
    writer = SealingWriter(sink, KEY, NAME)
    for start in range(0, len(plain), PIECE):
        writer.write(plain[start : start + PIECE])
    writer.finish()


def our_open(sealed: bytes) -> int:
    view = memoryview(sealed)
    reader = SealedReader(lambda at, size: bytes(view[at : at + size]), len(sealed), KEY, NAME)
    return sum(len(chunk) for chunk in reader.chunks())


def tink_seal(primitive: streaming_aead.StreamingAead, plain: memoryview) -> None:
    with primitive.new_encrypting_stream(Drop(), NAME) as stream:
        for start in range(0, len(plain), PIECE):
            stream.write(plain[start : start + PIECE])


def tink_open(primitive: streaming_aead.StreamingAead, sealed: bytes) -> int:
    with primitive.new_decrypting_stream(io.BytesIO(sealed), NAME) as stream:
        return sum(len(chunk) for chunk in iter(lambda: stream.read(SEGMENT), b""))


def timed(step: Callable[[], object], times: int) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        step()
    return time.perf_counter() - begin


def spread(figures: Sequence[float], form: str = "5.0f") -> str:
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def beside_tink(label: str, size: int, times: int, rounds: int) -> None:
    primitive, plain = tink_primitive(), memoryview(os.urandom(size))
    kept = bytearray()
    our_seal(plain, kept.extend)
    sealed = bytes(kept)
    steps: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "seal": (lambda: our_seal(plain, Drop().write), lambda: tink_seal(primitive, plain)),
        "open": (lambda: our_open(sealed), lambda: tink_open(primitive, sealed)),
    }
    for what, (ours, theirs) in steps.items():
        rates = [[size * times / MB / timed(step, times) for step in (ours, theirs)] for _ in range(rounds)]
        mine, other = ([pair[side] for pair in rates] for side in (0, 1))
        ratio = spread([a / b for a, b in rates], ".2f")
        print(f"{what} {label:>6}   ours {spread(mine)} MB/s   tink {spread(other)} MB/s   ratio {ratio}")


def ranges(root: Path, rounds: int) -> None:
    """64 KB from random places of a 64 MB blob: within an open reader, and with opening it."""
    blobs, size, draw = Blobs(root), 64_000_000, random.Random(1)
    with blobs.create() as writer:
        writer.write(os.urandom(size))
        writer.finish()

    def opened_anew() -> None:
        with blobs.open(writer.name, writer.key) as fresh:
            fresh.read(draw.randrange(size - RANGE), RANGE)

    with blobs.open(writer.name, writer.key) as reader:
        steps = {
            "in an open object": lambda: reader.read(draw.randrange(size - RANGE), RANGE),
            "opening it first": opened_anew,
        }
        for label, step in steps.items():
            micros = sorted(timed(step, 1) * 1e6 for _ in range(rounds * 100))
            p50, p99 = micros[len(micros) // 2], micros[len(micros) * 99 // 100]
            print(f"64 KB range {label:<18} p50 {p50:.0f} µs   p99 {p99:.0f} µs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for label, (size, times) in SIZES.items():
        beside_tink(label, size, times, rounds)
    with tempfile.TemporaryDirectory() as folder:
        ranges(Path(folder), rounds)


if __name__ == "__main__":
    main()
