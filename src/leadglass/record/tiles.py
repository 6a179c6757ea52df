"""The tree as C2SP tlog-tiles: runs of 256 hashes of one level, and the entries themselves in bundles of 256.

    tile/<level>/<index>          256 hashes; at level 0 of leaves, above of the full tiles one level down
    tile/entries/<index>          256 entries, each after its length as two bytes big-endian
    ….p/<width>                   the last of a row while it has fewer than 256

`<index>` is written in groups of three digits, all but the last with an x: 1234067 is x001/x234/067. This
module is arithmetic: what goes into which tile. `published` puts tiles on disk, `verify` compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from leadglass.record.merkle import HASH_SIZE, Frontier, leaf_hash, tree_root

WIDTH: Final = 256
ENTRIES: Final = -1
"""The `level` of an entry bundle, which lies beside level 0."""
ENTRY_SIZE: Final = 2 + HASH_SIZE
"""Bytes of one entry in a bundle: our entries are commitments, 32 bytes each."""

_ENTRY_LENGTH = HASH_SIZE.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Tile:
    """The coordinates of one tile or entry bundle."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def directory(self) -> str:
        """Where its partial forms are kept while it is not full."""
        return self.full().path + ".p"

    @property
    def path(self) -> str:
        """Relative to the log's directory."""
        groups, rest = [f"{self.index % 1000:03}"], self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        row = "entries" if self.level == ENTRIES else str(self.level)
        suffix = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{row}/{'/'.join(reversed(groups))}{suffix}"

    @property
    def item(self) -> int:
        """Bytes of one of its entries."""
        return ENTRY_SIZE if self.level == ENTRIES else HASH_SIZE

    def full(self) -> Tile:
        return replace(self, width=WIDTH)

    def within(self, size: int) -> Tile | None:
        """This tile as wide as a tree of `size` entries has it; None when it has none of it."""
        held = (size >> 8 * max(self.level, 0)) - self.index * WIDTH
        return replace(self, width=min(held, WIDTH)) if held > 0 else None


def partial_tiles(size: int) -> Iterator[Tile]:
    """The tiles that are not full in a tree of `size` entries, bundle first, then from the leaves up."""
    for level in (ENTRIES, *range((size.bit_length() + 7) // 8)):
        count = size >> 8 * max(level, 0)
        if count % WIDTH:
            yield Tile(level, count // WIDTH, count % WIDTH)


class TileBuilder:
    """Takes commitments in order and hands every tile, the moment it is full, to `emit`.

    Holds one unfinished row of at most 256 hashes per level, whatever the size of the tree.
    """

    def __init__(self, emit: Callable[[Tile, bytes], None]) -> None:
        self.size = 0
        self._emit = emit
        self._bundle: list[bytes] = []
        self._rows: list[list[bytes]] = []

    @classmethod
    def resume(
        cls, size: int, emit: Callable[[Tile, bytes], None], read: Callable[[Tile], bytes]
    ) -> TileBuilder:
        """A builder that has had `size` entries, a multiple of 256; `read` supplies the unfinished tiles."""
        builder = cls(emit)
        builder.size = size
        for tile in partial_tiles(size):
            data = read(tile)
            builder._row(tile.level)[:] = [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]
        return builder

    def push(self, commitment: bytes) -> None:
        """The next entry."""
        self._bundle.append(commitment)
        self.size += 1
        if len(self._bundle) == WIDTH:
            self._emit(Tile(ENTRIES, self.size // WIDTH - 1), _bundled(self._bundle))
            self._bundle.clear()
        self._add(0, leaf_hash(commitment))

    def partials(self) -> Iterator[tuple[Tile, bytes]]:
        """The tiles that are not full now, with their content."""
        for tile in partial_tiles(self.size):
            row = self._bundle if tile.level == ENTRIES else self._rows[tile.level]
            yield tile, _bundled(row) if tile.level == ENTRIES else b"".join(row)

    def frontier(self) -> Frontier:
        """The frontier of the tree so far: the peaks of each unfinished row, the highest level's first."""
        peaks = [peak for row in reversed(self._rows) for peak in Frontier().extend(row).peaks]
        return Frontier(self.size, tuple(peaks))

    def _add(self, level: int, node: bytes) -> None:
        row = self._row(level)
        row.append(node)
        if len(row) == WIDTH:
            self._emit(Tile(level, (self.size >> 8 * (level + 1)) - 1), b"".join(row))
            above = tree_root(row)
            row.clear()
            self._add(level + 1, above)

    def _row(self, level: int) -> list[bytes]:
        while len(self._rows) <= level:
            self._rows.append([])
        return self._rows[level]


def _bundled(commitments: list[bytes]) -> bytes:
    return b"".join(_ENTRY_LENGTH + commitment for commitment in commitments)
