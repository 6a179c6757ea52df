"""Which tiles a tree has, what they are called, and that they are the tree."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadglass.record.merkle import Frontier, leaf_hash, tree_root
from leadglass.record.tiles import ENTRIES, Tile, TileBuilder, partial_tiles


def commitment(number: int) -> bytes:
    return leaf_hash(number.to_bytes(8, "big"))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(1, 999), "tile/1/999"),
        (Tile(1, 1000), "tile/1/x001/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),  # the example of tlog-tiles
        (Tile(63, 5, 255), "tile/63/005.p/255"),
        (Tile(ENTRIES, 1234067, 8), "tile/entries/x001/x234/067.p/8"),
    ],
)
def test_paths(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tile.path.startswith(tile.directory) == (tile.width < 256)


def test_the_example_of_the_specification() -> None:
    """A tree of 70,000 entries: 273 full tiles and one of 112, one full and one of 17, one of 1."""
    emitted: Counter[int] = Counter()
    builder = TileBuilder(lambda tile, data: emitted.update([tile.level]))
    for number in range(70_000):
        builder.push(commitment(number))
    assert emitted == {ENTRIES: 273, 0: 273, 1: 1}
    widths = {tile.level: (tile.index, tile.width) for tile in partial_tiles(70_000)}
    assert widths == {ENTRIES: (273, 112), 0: (273, 112), 1: (1, 17), 2: (0, 1)}
    assert {tile: len(data) // tile.item for tile, data in builder.partials()} == {
        tile: tile.width for tile in partial_tiles(70_000)
    }


@pytest.mark.parametrize(
    ("size", "expected"), [(0, []), (1, [-1, 0]), (256, [1]), (257, [-1, 0, 1]), (65536, [2])]
)
def test_partial_tiles(size: int, expected: list[int]) -> None:
    assert [tile.level for tile in partial_tiles(size)] == expected


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1200))
def test_the_frontier_of_tiles_is_the_trees(size: int) -> None:
    builder = TileBuilder(lambda tile, data: None)
    for number in range(size):
        builder.push(commitment(number))
    assert builder.frontier() == Frontier().extend(leaf_hash(commitment(number)) for number in range(size))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 5), st.integers(1, 600))
def test_a_resumed_builder_goes_on_as_if_never_stopped(blocks: int, more: int) -> None:
    whole: dict[Tile, bytes] = {}
    one = TileBuilder(whole.__setitem__)
    for number in range(blocks * 256):
        one.push(commitment(number))
    partial = dict(one.partials())
    resumed = dict(whole)
    two = TileBuilder.resume(blocks * 256, resumed.__setitem__, partial.__getitem__)
    for number in range(blocks * 256, blocks * 256 + more):
        one.push(commitment(number))
        two.push(commitment(number))
    assert resumed == whole
    assert dict(one.partials()) == dict(two.partials())
    assert one.frontier() == two.frontier()


def test_what_is_in_a_tile() -> None:
    emitted: dict[Tile, bytes] = {}
    builder = TileBuilder(emitted.__setitem__)
    for number in range(513):
        builder.push(commitment(number))
    leaves = [leaf_hash(commitment(number)) for number in range(513)]
    assert emitted[Tile(0, 1)] == b"".join(leaves[256:512])
    assert emitted[Tile(ENTRIES, 1)][:68] == b"".join(
        b"\x00\x20" + commitment(number) for number in (256, 257)
    )
    last = dict(builder.partials())
    assert last[Tile(1, 0, 2)] == tree_root(leaves[:256]) + tree_root(leaves[256:512])
    assert last[Tile(0, 2, 1)] == leaves[512]


@pytest.mark.parametrize(
    ("tile", "size", "width"),
    [
        (Tile(0, 0), 256, 256),
        (Tile(0, 0), 255, 255),
        (Tile(0, 1), 256, None),
        (Tile(1, 0), 513, 2),
        (Tile(-1, 1), 300, 44),
    ],
)
def test_a_tile_within_a_smaller_tree(tile: Tile, size: int, width: int | None) -> None:
    held = tile.within(size)
    assert (held.width if held else None) == width
