"""Looking for words in bytes, however they were written down: plain, UTF-16, hexadecimal, base64, compressed."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import zstandard

_MOST = 1 << 22  # bytes that anything is unpacked to
_TASTE = 48  # bytes of a supposed deflate stream that decide whether it is one
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd")
_GZIP = re.compile(rb"\x1f\x8b\x08")


def base64_forms(word: bytes) -> set[bytes]:
    """What of the word stands in a base64 text around it, at each of the three alignments, in both alphabets."""
    forms = set()
    for before in range(3):
        whole = (before + len(word)) * 8 // 6  # characters that nothing after the word changes
        first = -(-before * 8 // 6)  # characters that something before it changes
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(bytes(before) + word)[first:whole])
    return forms


def forms(word: str) -> set[bytes]:
    """Every way to write the word without compressing it."""
    found: set[bytes] = set()
    for cased in {word, word.lower(), word.upper()}:
        for plain in {cased.encode(), cased.encode("utf-16-le"), cased.encode("utf-16-be")}:
            found |= {plain, plain.hex().encode(), plain.hex().upper().encode(), *base64_forms(plain)}
    return found


def _inflated(data: bytes, at: int, bits: int) -> bytes:
    """What unpacks at this offset, be it cut off or broken later on."""
    unpacker, out = zlib.decompressobj(bits), bytearray()
    try:
        for start in range(at, len(data), 4096):
            out += unpacker.decompress(data[start : start + 4096], _MOST)
            if unpacker.eof or len(out) >= _MOST:
                break
    except zlib.error:
        pass
    return bytes(out)


def _raw_deflate(data: bytes) -> Iterator[bytes]:
    """A raw stream begins with nothing recognisable, so every offset is tried whose first block can be one."""
    octets = np.frombuffer(data, np.uint8)
    kind = (octets >> 1) & 3  # RFC 1951 3.2.3
    stored = np.zeros(len(octets), bool)
    stored[:-4] = ((octets[1:-3] ^ octets[3:-1]) == 255) & ((octets[2:-2] ^ octets[4:]) == 255)
    for at in np.flatnonzero((kind == 1) | (kind == 2) | ((kind == 0) & stored)):
        try:
            taste = zlib.decompressobj(-15).decompress(data[at : at + _TASTE])
        except zlib.error:
            continue
        if len(taste) >= 12:
            yield _inflated(data, at, -15)


def _zlib(data: bytes) -> Iterator[bytes]:
    octets = np.frombuffer(data, np.uint8).astype(np.uint16)
    header = ((octets[:-1] & 15) == 8) & ((octets[:-1] * 256 + octets[1:]) % 31 == 0)  # RFC 1950 2.2
    for at in np.flatnonzero(header):
        yield _inflated(data, at, 15)


def _gzip(data: bytes) -> Iterator[bytes]:
    for match in _GZIP.finditer(data):
        yield _inflated(data, match.start(), 31)


def _zstd(data: bytes) -> Iterator[bytes]:
    for match in _ZSTD.finditer(data):
        unpacker = zstandard.ZstdDecompressor().decompressobj()
        try:
            yield unpacker.decompress(data[match.start() :])[:_MOST]
        except zstandard.ZstdError:
            continue


_UNPACKERS: tuple[Callable[[bytes], Iterator[bytes]], ...] = (_zlib, _gzip, _zstd, _raw_deflate)


def search(data: bytes, words: dict[str, set[bytes]]) -> set[str]:
    """Which of the words (with their `forms`) stand in `data`, or in anything that unpacks from it."""
    found = _plain(data, words)
    if len(data) > 8:
        for unpack in _UNPACKERS:
            for unpacked in unpack(data):
                found |= _plain(unpacked, words)
    return found


def _plain(data: bytes, words: dict[str, set[bytes]]) -> set[str]:
    return {word for word, written in words.items() if any(form in data for form in written)}


def search_files(root: Path, words: dict[str, set[bytes]]) -> dict[str, set[str]]:
    """Words found in each file under `root`, its name included; the files where nothing was are left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        hits = _plain(name.encode(), words)
        if path.is_file():
            hits |= search(path.read_bytes(), words)
        if hits:
            found[name] = hits
    return found
