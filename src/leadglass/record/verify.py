"""Recomputing the whole record: every body, every index row, the tree, the signature, and what was published.

One pass over the rows in bounded memory, which trusts nothing but the public key it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa

from leadglass.errors import Tampered, Violation
from leadglass.note import VerifierKey
from leadglass.record.chain import Chain, Findings, Verdict, no_tiles
from leadglass.record.checkpoint import Checkpoint
from leadglass.record.log import Head, read_head
from leadglass.record.merkle import Frontier
from leadglass.record.published import Read, read_checkpoint, read_tile
from leadglass.record.reader import Row, open_row, rows
from leadglass.record.schema import log_subjects
from leadglass.record.tiles import WIDTH, Tile, TileBuilder

Progress = Callable[[int, int], None]
"""Called after every batch with the number of entries done and of those to do."""

_FIRST = -(1 << 63)  # rows numbered below 0 are nobody's, but must not go unseen
_SUBJECTS = (
    sa.select(log_subjects.c.seq, log_subjects.c.kind, log_subjects.c.value)
    .order_by(log_subjects.c.seq)
    .execution_options(stream_results=True, max_row_buffer=1000)
)


def verify(
    read: Read,
    key: VerifierKey,
    *,
    origin: str | None = None,
    published: Path | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Verify the record in the database, and the files under `published` when given.

    `key` should come from outside the database: who can write there can replace the copy there too.
    """
    findings = Findings()
    # Before the transaction begins: its snapshot then holds at least what had been published.
    files = _Files(published, key, origin or key.name, findings)
    with read() as connection:
        head = read_head(connection) or Head()
        chain = Chain(findings, {head.size, files.size}, files.compare_full if published else no_tiles)
        for done in _walk(connection, chain, files, findings):
            if progress:
                progress(done, max(done, head.size))
    _compare_head(head, key, origin or key.name, chain, findings)
    files.finish(chain)
    return chain.verdict(files.size if files.checkpoint else None)


def _walk(connection: sa.Connection, chain: Chain, files: _Files, findings: Findings) -> Iterator[int]:
    """Every row through the chain, yielding after each batch how many have been."""
    subjects = _Subjects(connection, findings)
    for batch in rows(connection, _FIRST):
        for row in batch:
            if chain.push(row) and chain.builder.size == files.size:
                files.compare_partials(chain.builder)
            _check(row, subjects.of(row.seq), findings)
        yield chain.next
    subjects.finish()


def _check(row: Row, subjects: frozenset[tuple[str, str]], findings: Findings) -> None:
    try:
        entry = open_row(row)
    except Tampered as error:
        findings.add(str(error), row.seq)
        return
    if subjects != (entry.subjects() if entry else frozenset()):
        findings.add(f"Entry {row.seq} is not found by what its body is about.", row.seq)


class _Subjects:
    """The rows of `log_subjects` in step with those of `log_entries`: both are in the order of `seq`."""

    def __init__(self, connection: sa.Connection, findings: Findings) -> None:
        self._groups = groupby(connection.execute(_SUBJECTS), lambda row: int(row.seq))
        self._findings = findings
        self._ahead = self._take()

    def of(self, seq: int) -> frozenset[tuple[str, str]]:
        """The (kind, value) pairs stored for entry `seq`; those of entries that do not exist are reported."""
        while self._ahead is not None and self._ahead[0] < seq:
            self._stray(self._ahead[0])
        if self._ahead is None or self._ahead[0] > seq:
            return frozenset()
        pairs, self._ahead = self._ahead[1], self._take()
        return pairs

    def finish(self) -> None:
        """What is left belongs to no entry."""
        while self._ahead is not None:
            self._stray(self._ahead[0])

    def _stray(self, seq: int) -> None:
        self._findings.add(f"The index refers to entry {seq}, which does not exist.", seq)
        self._ahead = self._take()

    def _take(self) -> tuple[int, frozenset[tuple[str, str]]] | None:
        for seq, group in self._groups:
            return seq, frozenset((row.kind, row.value) for row in group)
        return None


def _compare_head(head: Head, key: VerifierKey, origin: str, chain: Chain, findings: Findings) -> None:
    if chain.next > head.size:
        findings.add(f"Entries from {head.size} on are not covered by the head.", head.size)
    chain.compare(Checkpoint(origin, head.size, head.root), "the head")
    _compare_frontier(head, chain, findings)
    if head == Head():
        return  # a record without entries has no checkpoint either
    signed = findings.opened(head.checkpoint, key, origin, "in the database")
    if signed and (signed.size, signed.root) != (head.size, head.root):
        findings.add("The head's size or root is not what its checkpoint was signed for.")


def _compare_frontier(head: Head, chain: Chain, findings: Findings) -> None:
    try:
        stored = Frontier.decode(head.frontier)
    except Violation as error:
        findings.add(f"The head's frontier was altered. {error}")
        return
    computed = chain.frontiers.get(head.size)
    if computed is None or computed == stored:
        return
    findings.add("The head's frontier is not that of the entries. " + _difference(stored, computed))


def _difference(stored: Frontier, computed: Frontier) -> str:
    """Where the trees part, as narrowly as the frontier can tell."""
    if stored.size != computed.size:
        return "It is of another size."
    peaks = zip(stored.ranges(), stored.peaks, computed.peaks, strict=True)
    start, end = next(leaves for leaves, said, found in peaks if said != found)
    return f"They part among entries {start} to {end - 1}, unless the frontier alone was altered."


class _Files:
    """What was published, compared with the tiles that the rows give. Without a directory, nothing was."""

    def __init__(self, root: Path | None, key: VerifierKey, origin: str, findings: Findings) -> None:
        self._root = root or Path()
        self._findings = findings
        self.checkpoint = self._open(key, origin) if root else None
        self.size = self.checkpoint.size if self.checkpoint else 0

    def compare_full(self, tile: Tile, data: bytes) -> None:
        """A full tile as recomputed, when it was full at the published size too."""
        if tile.within(self.size) == tile:
            self._compare(tile, data)

    def compare_partials(self, builder: TileBuilder) -> None:
        """At the published size, or where the rows end before it: the tiles that are not full there."""
        for tile, data in builder.partials():
            self._compare(tile, data)

    def finish(self, chain: Chain) -> None:
        """When all rows have been."""
        if self.checkpoint is None:
            return
        if chain.builder.size < self.size:
            self.compare_partials(chain.builder)
        chain.compare(self.checkpoint, "the published checkpoint")

    def _compare(self, tile: Tile, data: bytes) -> None:
        held = tile.within(self.size) or tile
        stored = read_tile(self._root, held)
        if stored is None or len(stored) != held.width * held.item:
            self._findings.add(f"The published {held.path} is missing or of a wrong length.")
            return
        differing = _first_difference(stored, data, tile.item)
        if differing is None:
            return
        if tile.level > 0:
            self._findings.add(f"The published {held.path} is not that of the entries.")
            return
        seq = tile.index * WIDTH + differing
        self._findings.add(f"Entry {seq} is not the one that was published in {held.path}.", seq)

    def _open(self, key: VerifierKey, origin: str) -> Checkpoint | None:
        try:
            data = read_checkpoint(self._root)
        except Violation as error:
            self._findings.add(str(error))
            return None
        if data is not None:
            return self._findings.opened(data, key, origin, "published")
        if (self._root / "tile").exists():
            self._findings.add("The published checkpoint is missing beside its tiles.")
        return None


def _first_difference(stored: bytes, data: bytes, item: int) -> int | None:
    """The first item of `data` that is not as in `stored`, which may hold more of them."""
    if stored[: len(data)] == data:
        return None
    return next(
        at // item for at in range(0, len(data), item) if stored[at : at + item] != data[at : at + item]
    )
