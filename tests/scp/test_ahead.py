"""Reading ahead: one piece and no more, and nothing left open whatever happens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from leadglass.archive.selection import Delivery
from leadglass.errors import RecordUnavailable, Tampered
from leadglass.net.workers import Workers
from leadglass.scp import ahead
from leadglass.scp.ahead import Ahead, Route, routes
from leadglass.ul.negotiation import AcceptedContext

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, EXPLICIT, JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
KIND = (CT, EXPLICIT)
WAYS = {KIND: Route(AcceptedContext(1, CT, EXPLICIT), recode=False)}


@dataclass
class Shelf:
    """In place of a selection: objects of chunks of one byte. `error` is raised in the place of number `at`."""

    objects: int
    chunks: int = 1
    error: Exception | None = None
    at: int = -1
    taken: int = 0
    closed: bool = False
    threads: set[int] = field(default_factory=set)

    def deliveries(self, wanted: Any, among: Any) -> Iterator[Delivery]:
        try:
            for number in range(self.objects):
                if number == self.at and self.chunks == 1 and self.error is not None:
                    raise self.error
                self.taken += 1
                chunks = self._chunks() if wanted(KIND) else None
                yield Delivery(KIND, f"1.2.{number}", self.chunks, chunks)
        finally:
            self.closed = True

    def _chunks(self) -> Iterator[bytes]:
        self.threads.add(threading.get_ident())
        for number in range(self.chunks):
            if number == self.at and self.error is not None:
                raise self.error
            yield bytes([number])


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


def pieces(workers: Workers, shelf: Shelf) -> list[tuple[str, bytes, bool, str | None]]:
    async def whole() -> list[Any]:
        found = []
        async with Ahead(workers, shelf, WAYS, None) as ahead:  # type: ignore[arg-type]
            while (piece := await ahead.next()) is not None:
                error = piece.error.code if piece.error else None
                found.append((piece.delivery.sop_instance_uid, piece.data, piece.is_last, error))
        return found

    return run(whole())  # type: ignore[no-any-return]


def test_small_objects_are_a_piece_each(workers: Workers) -> None:
    shelf = Shelf(3, chunks=4)
    assert pieces(workers, shelf) == [(f"1.2.{n}", b"\0\1\2\3", True, None) for n in range(3)]
    assert shelf.closed
    assert threading.get_ident() not in shelf.threads


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (3, [(b"\0\1", False), (b"\2", True)]),
        (4, [(b"\0\1", False), (b"\2\3", False), (b"", True)]),
    ],
)
def test_large_objects_are_cut(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, chunks: int, expected: Any
) -> None:
    monkeypatch.setattr(ahead, "PIECE", 2)
    assert [(data, last) for _, data, last, _ in pieces(workers, Shelf(1, chunks=chunks))] == expected


def test_one_piece_ahead_and_no_more(workers: Workers) -> None:
    async def whole() -> None:
        shelf = Shelf(10)
        async with Ahead(workers, shelf, WAYS, None) as ahead:  # type: ignore[arg-type]
            assert shelf.taken == 0
            for number in range(1, 4):
                await ahead.next()
                assert ahead._next is not None
                await asyncio.wait({ahead._next})
                assert shelf.taken == number + 1
        assert shelf.closed

    run(whole())


def test_what_fails_at_its_beginning_fails_whole(workers: Workers) -> None:
    found = pieces(workers, Shelf(2, chunks=4, error=Tampered("x", code="altered"), at=2))
    assert found == [("1.2.0", b"", True, "altered"), ("1.2.1", b"", True, "altered")]


def test_what_fails_under_way_has_no_end(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "PIECE", 2)
    found = pieces(workers, Shelf(1, chunks=4, error=Tampered("x", code="altered"), at=2))
    assert found == [("1.2.0", b"\0\1", False, None), ("1.2.0", b"", True, "altered")]


def test_what_ends_everything_is_raised(workers: Workers) -> None:
    shelf = Shelf(3, error=RecordUnavailable("The record."), at=1)
    with pytest.raises(RecordUnavailable):
        pieces(workers, shelf)
    assert shelf.closed


def test_once_shut_the_rest_is_named_and_not_opened(workers: Workers) -> None:
    async def whole() -> list[bool]:
        async with Ahead(workers, Shelf(5), WAYS, None) as ahead:  # type: ignore[arg-type]
            await ahead.next()
            ahead.shut()
            found = []
            while (piece := await ahead.next()) is not None:
                found.append(piece.delivery.chunks is None)
            return found

    assert run(whole())[1:] == [True, True, True]  # one was ahead already


def test_an_error_that_nobody_waits_for_is_nobodys_news(workers: Workers) -> None:
    said: list[Any] = []

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        shelf = Shelf(3, error=RecordUnavailable("The record."), at=1)
        async with Ahead(workers, shelf, WAYS, None) as ahead:  # type: ignore[arg-type]
            await ahead.next()
        await asyncio.sleep(0)

    run(whole())
    assert said == []


CONTEXTS = [AcceptedContext(1, CT, JPEG), AcceptedContext(3, CT, IMPLICIT), AcceptedContext(5, MR, EXPLICIT)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ((CT, JPEG), (1, False)),
        ((CT, IMPLICIT), (3, False)),
        ((CT, EXPLICIT), (3, True)),
        ((MR, IMPLICIT), (5, True)),
        ((MR, JPEG), None),
        ((CT, "1.2.840.10008.1.2.4.90"), None),
        (("1.2.3", EXPLICIT), None),
    ],
    ids=str,
)
def test_the_way_of_each_kind(kind: Any, expected: Any) -> None:
    route = routes({kind: 1}, CONTEXTS).get(kind)
    assert (route and (route.context.id, route.recode)) == expected
