"""What every verification of the record has in common: the order of entries, their tree, and findings.

What is found wrong is put down as a sentence and the pass goes on, so that one report tells all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from leadglass.errors import Tampered, Violation
from leadglass.note import VerifierKey
from leadglass.record.checkpoint import Checkpoint, open_checkpoint
from leadglass.record.merkle import HASH_SIZE, Frontier
from leadglass.record.reader import Row
from leadglass.record.tiles import Tile, TileBuilder

MAX_PROBLEMS = 20
"""Sentences kept; further ones are only counted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found. `size` and `root` are those recomputed from the entries."""

    ok: bool
    size: int
    root: bytes
    first_bad: int | None  # the lowest entry known to be wrong
    problems: tuple[str, ...]
    more_problems: int  # beyond those spelt out
    expired: int  # entries whose body retention has removed: only their place in the tree was checked
    published: int | None  # entries covered by the checkpoint on disk, when that is sound


@dataclass(slots=True)
class Findings:
    """Collects what is wrong, in bounded memory."""

    first_bad: int | None = None
    problems: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, problem: str, seq: int | None = None) -> None:
        if seq is not None:
            # Rows may be numbered below 0 by whoever put them there; the record begins at 0.
            self.first_bad = max(seq, 0) if self.first_bad is None else max(min(seq, self.first_bad), 0)
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self.more += 1

    def opened(self, text: str | bytes, key: VerifierKey, origin: str, where: str) -> Checkpoint | None:
        """The checkpoint in a signed note, or None and the reason put down."""
        try:
            return open_checkpoint(text, key, origin)
        except (Violation, Tampered) as error:
            self.add(f"The checkpoint {where} is not genuine. {error}")
            return None


def no_tiles(tile: Tile, data: bytes) -> None:
    """For a chain whose tiles nobody compares."""


class Chain:
    """Rows in, in order; out come the tree's tiles, and its frontier at the sizes somebody has signed for.

    Once an entry is missing or out of order there is no tree to speak of: rows are still checked one by one,
    but nothing more is hashed into it.
    """

    def __init__(
        self, findings: Findings, sizes: Iterable[int], emit: Callable[[Tile, bytes], None] = no_tiles
    ) -> None:
        self.builder = TileBuilder(emit)
        self.next = 0
        self.frontiers: dict[int, Frontier] = {0: Frontier()}
        self._findings = findings
        self._sizes = frozenset(sizes)
        self._whole = True
        self._expired = 0

    def push(self, row: Row) -> bool:
        """Check the row's place in the order; returns whether it went into the tree."""
        if row.seq != self.next:
            self._out_of_order(row.seq)
        self.next = max(self.next, row.seq + 1)
        self._retention(row)
        if len(row.commitment) != HASH_SIZE:
            self._findings.add(f"Entry {row.seq} has a commitment of a wrong length.", row.seq)
            self._whole = False
        if self._whole:
            self.builder.push(row.commitment)
            if self.builder.size in self._sizes:
                self.frontiers[self.builder.size] = self.builder.frontier()
        return self._whole

    def compare(self, signed: Checkpoint, whose: str) -> None:
        """The entries against what somebody signed for: as many of them, and the same."""
        if self.next < signed.size:
            missing = (
                f"Entries {self.next} to {signed.size - 1} of {whose} are missing: cut off or rolled back."
            )
            self._findings.add(missing, self.next)
        frontier = self.frontiers.get(signed.size)
        if frontier is not None and frontier.root() != signed.root:
            self._findings.add(f"The first {signed.size} entries are not those of {whose}.")

    def verdict(self, published: int | None = None) -> Verdict:
        """Sum up."""
        found = self._findings
        return Verdict(
            ok=not found.problems,
            size=self.next,
            root=self.builder.frontier().root(),
            first_bad=found.first_bad,
            problems=tuple(found.problems),
            more_problems=found.more,
            expired=self._expired,
            published=published,
        )

    def _out_of_order(self, seq: int) -> None:
        if seq > self.next:
            self._findings.add(f"Entries {self.next} to {seq - 1} are missing.", self.next)
        else:
            self._findings.add(f"Entry {seq} is out of order.", seq)
        self._whole = False

    def _retention(self, row: Row) -> None:
        if row.body is not None or row.salt is not None:
            return
        # Retention works from the oldest on, so what has expired is always the beginning.
        if row.seq != self._expired:
            self._findings.add(f"The body of entry {row.seq} was removed, and not by retention.", row.seq)
        self._expired += 1
