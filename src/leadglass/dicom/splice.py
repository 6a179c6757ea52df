"""Bytes of a data set replaced while it streams: every other byte stays as it came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

Edit = tuple[int, int, bytes]  # offsets, and what stands from here to there instead


def spliced(chunks: Iterable[bytes], edits: Iterable[Edit]) -> Iterator[bytes]:
    """The chunks with `edits` made, which are in order and do not overlap."""
    chunks, todo, at, kept_from = iter(chunks), deque(edits), 0, 0
    for chunk in chunks:
        end = at + len(chunk)
        if kept_from <= at and (not todo or todo[0][0] >= end):
            at = end
            yield chunk
            continue
        out: list[bytes | memoryview] = []
        view = memoryview(chunk)  # so that the bytes between are copied once
        begin = min(max(at, kept_from), end)
        while todo and todo[0][0] < end:
            start, stop, new = todo.popleft()
            out += (view[begin - at : start - at], new)
            begin, kept_from = min(stop, end), stop
        out.append(view[begin - at :])
        at = end
        if piece := b"".join(out):  # one for one: each costs whoever takes it a change of threads
            yield piece
        if not todo and kept_from <= at:
            break
    yield from chunks
    if rest := b"".join(new for _, _, new in todo):
        yield rest
