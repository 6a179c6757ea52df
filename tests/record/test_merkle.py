"""The tree against vectors of the Certificate Transparency reference code, and the RFC's own definition."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.errors import BrokenInvariant, Violation
from leadglass.record.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/record/rfc6962.json").read_text())
LEAVES = [leaf_hash(bytes.fromhex(data)) for data in VECTORS["leaves"]]

trees = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70)


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    n = len(leaves)
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return leaves[0]
    k = max(power for power in (1 << bit for bit in range(n.bit_length())) if power < n)
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def proof(leaves: Sequence[bytes], ranges: list[tuple[int, int]]) -> list[bytes]:
    return [mth(leaves[start:end]) for start, end in ranges]


def test_the_empty_tree() -> None:
    assert EMPTY_ROOT.hex() == VECTORS["roots"][0]
    assert Frontier().root() == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_reference_roots(size: int) -> None:
    assert tree_root(LEAVES[:size]).hex() == VECTORS["roots"][size]


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=str)
def test_reference_inclusion(vector: dict[str, object]) -> None:
    index, size, path = vector["index"], vector["size"], vector["path"]
    found = proof(LEAVES[:size], inclusion_ranges(index, size))
    assert [node.hex() for node in found] == path
    assert verify_inclusion(LEAVES[index], index, size, found, tree_root(LEAVES[:size]))


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=str)
def test_reference_consistency(vector: dict[str, object]) -> None:
    old, new, path = vector["old"], vector["new"], vector["path"]
    found = proof(LEAVES[:new], consistency_ranges(old, new))
    assert [node.hex() for node in found] == path
    assert verify_consistency(old, tree_root(LEAVES[:old]), new, tree_root(LEAVES[:new]), found)


@given(trees)
def test_frontier_is_the_definition_at_every_size(leaves: list[bytes]) -> None:
    frontier = Frontier()
    for size, leaf in enumerate(leaves, 1):
        frontier = frontier.append(leaf)
        assert frontier.root() == mth(leaves[:size])
        assert [mth(leaves[start:end]) for start, end in frontier.ranges()] == list(frontier.peaks)
    assert Frontier.decode(frontier.encode()) == frontier == Frontier().extend(leaves)


@given(trees, st.data())
def test_inclusion_proves_its_leaf_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path, root, size = proof(leaves, inclusion_ranges(index, len(leaves))), mth(leaves), len(leaves)
    assert verify_inclusion(leaves[index], index, size, path, root)
    assert not verify_inclusion(leaf_hash(leaves[index]), index, size, path, root)
    assert not verify_inclusion(leaves[index], index, size, [*path, root], root)
    assert not verify_inclusion(leaves[index], size, size, path, root)
    for at in range(len(path)):
        wrong = [*path[:at], leaf_hash(path[at]), *path[at + 1 :]]
        assert not verify_inclusion(leaves[index], index, size, wrong, root)


@given(trees, st.data())
def test_consistency_proves_growth_and_nothing_else(leaves: list[bytes], data: st.DataObject) -> None:
    new = len(leaves)
    old = data.draw(st.integers(1, new))
    path = proof(leaves, consistency_ranges(old, new))
    before, after = mth(leaves[:old]), mth(leaves)
    assert verify_consistency(old, before, new, after, path)
    assert not verify_consistency(old, leaf_hash(before), new, after, path)
    assert not verify_consistency(old, before, new, leaf_hash(after), path)
    assert not verify_consistency(old, before, new, after, [*path, after])
    for at in range(len(path)):
        wrong = [*path[:at], leaf_hash(path[at]), *path[at + 1 :]]
        assert not verify_consistency(old, before, new, after, wrong)


def test_every_tree_grows_from_the_empty_one() -> None:
    assert verify_consistency(0, EMPTY_ROOT, 8, tree_root(LEAVES), [])
    assert not verify_consistency(0, LEAVES[0], 8, tree_root(LEAVES), [])
    assert not verify_consistency(3, LEAVES[0], 2, LEAVES[0], [])


def test_a_proof_of_short_hashes_is_none() -> None:
    assert not verify_inclusion(LEAVES[0], 0, 2, [b"\x00" * 31], node_hash(LEAVES[0], b"\x00" * 31))


@pytest.mark.parametrize("ask", [(-1, 3), (3, 3), (0, 0)])
def test_no_inclusion_of_what_is_not_there(ask: tuple[int, int]) -> None:
    with pytest.raises(BrokenInvariant):
        inclusion_ranges(*ask)


@pytest.mark.parametrize("ask", [(0, 3), (4, 3)])
def test_no_consistency_backwards(ask: tuple[int, int]) -> None:
    with pytest.raises(BrokenInvariant):
        consistency_ranges(*ask)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x00" * 7, "frontier-length"),
        (b"\x00" * 8 + b"\x00" * 32, "frontier-length"),
        ((3).to_bytes(8, "big") + b"\x00" * 63, "frontier-length"),
        (b"\xff" * 8 + b"\x00" * 32 * 64, "frontier-size"),
    ],
)
def test_frontiers_that_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(Violation) as refusal:
        Frontier.decode(data)
    assert refusal.value.code == code
