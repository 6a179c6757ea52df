"""A survey of loopback, with listeners of the test's own: who is touched, how often, and what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from standing import Listener

from leadglass.db import migrations
from leadglass.db.sqlcipher import SealedFile
from leadglass.errors import Denied, StorageFailed, Unavailable
from leadglass.scan import survey as survey_module
from leadglass.scan.addresses import AddressSet, range_of
from leadglass.scan.archives import doubts
from leadglass.scan.dial import knock
from leadglass.scan.doubts import Reason
from leadglass.scan.doubts_port import MANY_PORTS
from leadglass.scan.examine import Language
from leadglass.scan.manner import Manner
from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.plan import plan
from leadglass.scan.register import Register, Tally
from leadglass.scan.scope import read_scope
from leadglass.scan.survey import Surveyor

NOW = 1_800_000_000_000  # 2027-01-15
SCOPE = """
[authorisation]
organisation = "x"
authorised_by = "x"
contact = "x"
legal_basis = "x"
valid_from = 2027-01-15
valid_to = 2027-01-15
ranges = ["127.0.0.0/8"]
[targets]
ranges = ["127.9.0.0/24"]
do_not_probe = ["127.9.0.9"]
[limits]
rate = 100000
rate_per_24 = 100000
"""
MANNER = Manner("x", Level.ASSOCIATES, secret=bytes(16))


class Killed(BaseException):
    """What no handler of ours catches."""


@pytest.fixture
def listeners() -> Iterator[dict[str, Listener]]:
    """The same port at three addresses: one to survey, one not to be probed, one outside of the plan."""
    first = Listener("127.9.0.7")
    made = {"in": first, "avoid": Listener("127.9.0.9", first.port), "out": Listener("127.9.1.7", first.port)}
    yield made
    for each in made.values():
        each.socket.close()


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    path = tmp_path / "register.db"
    migrations.upgrade(SealedFile(path, bytes(32)), migrations.REGISTER)
    made = Register(SealedFile(path, bytes(32)).open(readers=2))
    yield made
    made.close()


def accepted(address: str, port: int) -> Observation:
    return Observation("associate", address, port, NOW, 1, Outcome.ACCEPTED)


def surveyor(
    register: Register,
    ports: tuple[int, ...],
    answer: Callable[[str, int], Sequence[Observation]] = lambda a, p: [accepted(a, p)],
    *,
    clock: Callable[[], int] = lambda: NOW,
    scope: str = SCOPE,
    survey: int | None = None,
    workers: int = 8,
) -> tuple[Surveyor, list[tuple[str, int]]]:
    asked: list[tuple[str, int]] = []

    async def ask(address: str, port: int, manner: Manner) -> Sequence[Observation]:
        asked.append((address, port))
        await asyncio.sleep(0)
        return answer(address, port)

    made = read_scope(scope.encode(), NOW)
    planned = plan(made.ranges, ports, [], made.do_not_probe)
    known = (
        register.survey(survey)
        if survey
        else register.begin(scope, planned.to_json(), planned.blocks, "here", NOW)
    )
    asks = dict.fromkeys(Language, ask)
    return Surveyor(made, known, register, MANNER, asks, clock=clock, workers=workers), asked


def test_who_is_open_is_asked_and_nobody_else_is_touched(
    register: Register, listeners: dict[str, Listener]
) -> None:
    made, asked = surveyor(register, (listeners["in"].port, 1))
    asyncio.run(made.run())
    assert asked == [("127.9.0.7", listeners["in"].port)]
    assert listeners["in"].came() == 1
    assert listeners["avoid"].came() == 0
    assert listeners["out"].came() == 0
    assert register.tally(1) == Tally(refused=255 * 2 - 1)
    assert dict(register.observations(1)) == {"127.9.0.7": [accepted("127.9.0.7", listeners["in"].port)]}
    assert register.survey().finished == NOW
    assert (made.progress.done_hosts, made.progress.knocked, made.progress.open_ports) == (255, 510, 1)


def test_the_count_of_who_comes_sees_one_who_does(listeners: dict[str, Listener]) -> None:
    assert asyncio.run(knock("127.9.0.9", listeners["avoid"].port, 1)) is Outcome.OPEN
    assert listeners["avoid"].came() == 1


def test_it_goes_on_where_it_stopped(register: Register, listeners: dict[str, Listener]) -> None:
    """Killed while a host is asked: what was done before is not asked again, what was not is."""
    port = listeners["in"].port
    other = Listener("127.9.0.8", port)

    def answer(address: str, port: int) -> Sequence[Observation]:
        if len(asked) == 2:
            raise Killed
        return [accepted(address, port)]

    made, asked = surveyor(register, (port,), answer, workers=1)
    with pytest.raises(Killed):
        asyncio.run(made.run())
    assert len(asked) == 2
    assert register.survey().finished is None
    again, asked_again = surveyor(register, (port,), survey=1)
    asyncio.run(again.run())
    assert asked_again == [asked[1]]
    assert {address for address, _ in register.observations(1)} == {"127.9.0.7", "127.9.0.8"}
    third, nobody = surveyor(register, (port,), survey=1)
    asyncio.run(third.run())
    assert nobody == []
    assert third.progress.earlier == 255
    other.socket.close()


def test_who_was_done_but_not_written_yet_is_asked_again(
    register: Register, listeners: dict[str, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed by force before those who were gathered are handed over: they are lost, and no block says done."""

    def answer(address: str, port: int) -> Sequence[Observation]:
        if len(asked) == 2:
            raise Killed
        return [accepted(address, port)]

    port = listeners["in"].port
    other = Listener("127.9.0.8", port)
    made, asked = surveyor(register, (port,), answer, workers=1)
    with monkeypatch.context() as patched:
        patched.setattr(made, "_flush", lambda: None)
        with pytest.raises(Killed):
            asyncio.run(made.run())
    assert (register.hosts_done(1), register.blocks_done(1)) == (set(), set())
    again, asked_again = surveyor(register, (port,), survey=1)
    asyncio.run(again.run())
    assert sorted(asked_again) == sorted(asked)
    assert register.hosts_done(1) == {"127.9.0.7", "127.9.0.8"}
    other.socket.close()


def test_a_scope_that_expires_ends_it(register: Register, listeners: dict[str, Listener]) -> None:
    made, asked = surveyor(register, (listeners["in"].port,), clock=lambda: NOW + 86_400_000)
    with pytest.raises(Denied) as caught:
        asyncio.run(made.run())
    assert caught.value.code == "scope-time"
    assert asked == []
    assert listeners["in"].came() == 0


def test_who_is_busy_is_asked_once_more(
    register: Register, listeners: dict[str, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_module, "_BUSY_SECONDS", 0)

    def busy(address: str, port: int) -> Sequence[Observation]:
        said = {"result": 2, "source": 3, "reason": 1}
        return [Observation("associate", address, port, NOW, 1, Outcome.REJECTED, {}, said)]

    made, asked = surveyor(register, (listeners["in"].port,), busy)
    asyncio.run(made.run())
    assert len(asked) == 2


def test_what_cannot_be_kept_ends_it(
    register: Register, listeners: dict[str, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Future[None]:
        future: Future[None] = Future()
        future.set_exception(StorageFailed("The disk failed."))
        return future

    made, _ = surveyor(register, (listeners["in"].port,))
    monkeypatch.setattr(register, "write_hosts", fails)
    with pytest.raises(StorageFailed):
        asyncio.run(made.run())
    assert register.survey().finished is None
    assert register.blocks_done(1) == set()


def test_a_host_that_cannot_be_handed_over_ends_it(
    register: Register, listeners: dict[str, Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is there to be told: it is a timer that hands over the hosts that were gathered."""

    def fails(*_: object) -> Future[None]:
        raise Unavailable("The database is closed.")

    monkeypatch.setattr(survey_module, "_GATHER_SECONDS", 0)
    monkeypatch.setattr(register, "write_hosts", fails)
    made, asked = surveyor(register, (listeners["in"].port,), workers=1)
    with pytest.raises(Unavailable):
        asyncio.run(made.run())
    assert len(asked) == 1
    assert register.survey().finished is None
    assert register.blocks_done(1) == set()


def test_one_host_is_asked_at_one_port_at_a_time(register: Register) -> None:
    first = Listener("127.9.0.7")
    more = [Listener("127.9.0.7") for _ in range(5)]
    ports = tuple(each.port for each in (first, *more))
    under_way = most = 0

    async def ask(address: str, port: int, manner: Manner) -> Sequence[Observation]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return [accepted(address, port)]

    made, _ = surveyor(register, ports)
    made._asks = dict.fromkeys(Language, ask)
    asyncio.run(made.run())
    assert most == 1
    assert len(dict(register.observations(1))["127.9.0.7"]) == 6
    for each in (first, *more):
        each.socket.close()


@pytest.mark.parametrize(("open_ports", "kept"), [(MANY_PORTS - 1, 0), (MANY_PORTS, 1)])
def test_who_listens_at_many_ports_is_not_said_to_listen_at_all_of_them(
    register: Register, open_ports: int, kept: int
) -> None:
    first = Listener("127.9.0.7")
    more = [Listener("127.9.0.7") for _ in range(open_ports - 1)]
    made, _ = surveyor(register, (1, *(each.port for each in (first, *more))))
    asyncio.run(made.run())
    seen = dict(register.observations(1))["127.9.0.7"]
    assert [each.port for each in seen if each.outcome is Outcome.REFUSED] == [1] * kept
    assert not doubts(seen)
    if kept:
        (judged,) = doubts([each for each in seen if each.port != 1])
        assert judged.reason is Reason.EVERY_PORT
    for each in (first, *more):
        each.socket.close()


def test_nobody_at_all(register: Register) -> None:
    assert asyncio.run(knock("127.9.0.7", 1, 1)) is Outcome.REFUSED
    assert AddressSet.of([range_of("127.9.0.7")]).size == 1
