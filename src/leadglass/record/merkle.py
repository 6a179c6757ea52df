"""The hash tree of RFC 6962 section 2.1 (RFC 9162 section 2.1 says the same in clearer words), over SHA-256.

    leaf   = SHA-256(0x00 ‖ data)
    node   = SHA-256(0x01 ‖ left ‖ right)
    MTH({}) = SHA-256("")

A tree of n leaves splits at the largest power of two below n. So the binary digits of n, read from the left,
are the perfect subtrees it consists of; their roots are the *frontier*, all that appending needs to remember:

    n = 13 = 0b1101        ┌── peaks[0]: leaves 0..7 ──┐┌ peaks[1]: 8..11 ┐┌ peaks[2]: 12 ┐

A proof is a list of subtree hashes. Which subtrees is arithmetic (`inclusion_ranges`, `consistency_ranges`);
where their hashes come from, leaves in memory, rows or tiles, is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from leadglass.errors import BrokenInvariant, LimitExceeded, Violation

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
MAX_SIZE = 1 << 62
"""More leaves than any record will hold; keeps sizes inside the databases' signed 64 bits."""

Range = tuple[int, int]
"""The leaves from the first number up to, not including, the second."""


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle Tree Hash over leaf hashes."""
    return Frontier().extend(leaves).root()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The perfect subtrees of a tree of `size` leaves: one 32-byte root per set bit, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Frontier:
        """The frontier with one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier with more leaf hashes, in order."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            node = leaf
            # A new leaf carries like adding one in binary: every trailing 1 bit is a subtree it completes.
            for _ in range(_trailing_ones(size)):
                node = node_hash(peaks.pop(), node)
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        """The Merkle Tree Hash of the whole tree."""
        if not self.peaks:
            return EMPTY_ROOT
        *rest, node = self.peaks
        for peak in reversed(rest):
            node = node_hash(peak, node)
        return node

    def ranges(self) -> list[Range]:
        """The leaves under each peak."""
        ranges, start = [], 0
        for bit in reversed(range(self.size.bit_length())):
            if self.size >> bit & 1:
                ranges.append((start, start + (1 << bit)))
                start += 1 << bit
        return ranges

    def encode(self) -> bytes:
        """Size as eight bytes big-endian, then the peaks."""
        return self.size.to_bytes(8, "big") + b"".join(self.peaks)

    @classmethod
    def decode(cls, data: bytes) -> Frontier:
        """The inverse of `encode`; a Violation when size and number of peaks do not fit."""
        if len(data) < 8:
            raise Violation("A frontier is shorter than its size field.", code="frontier-length")
        size = int.from_bytes(data[:8], "big")
        if size > MAX_SIZE:
            raise LimitExceeded("A frontier claims more leaves than a record may hold.", code="frontier-size")
        if len(data) != 8 + HASH_SIZE * size.bit_count():
            raise Violation("A frontier's size and number of hashes do not agree.", code="frontier-length")
        return cls(size, tuple(data[at : at + HASH_SIZE] for at in range(8, len(data), HASH_SIZE)))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees whose hashes prove leaf `index` in a tree of `size`, from the leaf up (RFC 6962 2.1.1)."""
    if not 0 <= index < size:
        raise BrokenInvariant("No such leaf in a tree of this size.")
    path: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The subtrees whose hashes prove that `new` leaves begin with the `old` ones (RFC 6962 2.1.2)."""
    if not 0 < old <= new:
        raise BrokenInvariant("A consistency proof leads from a tree that is not empty to one not smaller.")
    path: list[Range] = []
    start, end = 0, new
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    # Here the old tree ends exactly where this subtree does. When it is the whole old tree, its hash is the
    # old root, which the verifier has.
    if start > 0:
        path.append((start, end))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that `leaf` (a leaf hash) is number `index` of the tree of `size` with `root`."""
    if not 0 <= index < size <= MAX_SIZE:
        return False
    ranges = inclusion_ranges(index, size)
    if not _plausible(proof, len(ranges)):
        return False
    node = leaf
    for (start, _), sibling in zip(ranges, proof, strict=True):
        node = node_hash(node, sibling) if start > index else node_hash(sibling, node)
    return node == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `old` leaves with `old_root` is the start of that of `new`.

    From the empty tree everything follows, by an empty proof.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        return False
    if old == 0:
        return old_root == EMPTY_ROOT and not proof
    ranges = consistency_ranges(old, new)
    if not _plausible(proof, len(ranges)):
        return False
    steps = list(zip(ranges, proof, strict=True))
    # The first hash is the subtree both trees end on, unless the old tree as a whole is that subtree.
    perfect = not ranges or ranges[0][0] >= old
    before = after = old_root if perfect else steps.pop(0)[1]
    for (start, _), node in steps:
        if start < old:
            before, after = node_hash(node, before), node_hash(node, after)
        else:
            after = node_hash(after, node)
    return before == old_root and after == new_root


def _split(size: int) -> int:
    """The largest power of two below `size` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _trailing_ones(number: int) -> int:
    return (~number & (number + 1)).bit_length() - 1


def _plausible(proof: Sequence[bytes], length: int) -> bool:
    return len(proof) == length and all(len(node) == HASH_SIZE for node in proof)
