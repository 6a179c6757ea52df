"""Peers that mean no good, against the real listeners: whatever comes, the association ends and nobody else notices.

After every one of them: an A-ABORT, a rejection or a close within the deadline; one line in the log that holds
nothing of a patient; connections, tasks and descriptors as before; and the next peer's C-ECHO is answered.
"""

from __future__ import annotations

import resource
import select
import socket
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from leadglass.access.passwords import Cost
from leadglass.net.attendant import Manners

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests have names of their own
pytest.register_assert_rewrite("raw_peer", "ground")

import raw_peer as raw  # noqa: E402 (after the lines above, or it is not found and its assertions say nothing)
from ground import DEADLINES, STUCK, Ground, archive, edge  # noqa: E402
from raw_peer import ABORT, DATA, RJ, Ended, Peer, item, pdu, pdv  # noqa: E402

PATIENT = b"NOBODY^PLANTED"
LIMIT = 128 << 10  # of an A-ASSOCIATE PDU, at the most any listener takes
LEGAL = raw.associate_rq()
NO_NAME = pdv(3, PATIENT, is_command=False, last=False)  # of a data set


@pytest.fixture(scope="module")
def logged() -> Iterator[list[Any]]:
    """Everything that is logged, by whichever listener."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture(scope="module")
def bare(logged: list[Any]) -> Iterator[Ground]:
    with edge(logged) as made:
        yield made


@pytest.fixture(scope="module")
def house(logged: list[Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("leadglass.compose.HASH_COST", Cost(memory=8, passes=1, lanes=1))
        with archive(tmp_path_factory.mktemp("hostile"), logged) as made:
            yield made


@pytest.fixture(params=["bare", "house"])
def place(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """`net` by itself, and with all that a home puts behind it. Nothing may be left of a test's peers."""
    yield from unharmed(request.getfixturevalue(request.param))


@pytest.fixture
def home_place(house: Ground) -> Iterator[Ground]:
    yield from unharmed(house)


@pytest.fixture
def empty_place(bare: Ground) -> Iterator[Ground]:
    yield from unharmed(bare)


def unharmed(place: Ground) -> Iterator[Ground]:
    place.remember()
    place.lines.clear()
    Peer.all_of.clear()
    yield place
    for peer in Peer.all_of:
        peer.close()
    place.echo()
    place.at_baseline()
    assert PATIENT.decode() not in repr(place.lines)


def ending(peer: Peer) -> int | None:
    """The first thing the other side says; None when it closes without a word."""
    try:
        kind, _ = peer.read()
    except Ended:
        return None
    return kind


def goes(place: Ground, peer: Peer) -> None:
    """The other side closes once we have had our time to do so."""
    place.advance(DEADLINES.release)
    try:
        peer.read()
    except Ended:
        return
    raise AssertionError("it went on talking")


def lines(place: Ground) -> list[Any]:
    """What was said of associations; of an object that was kept aside there is a line of its own."""
    return [line for line in place.lines if line["log_level"] != "debug" and "listener" in line]


# --- before an association -----------------------------------------------------------------------------------

WORDLESS = {
    "an A-ABORT before anything else": pdu(ABORT, bytes(4)),
}
BROKEN = {
    "a PDU type that does not exist": pdu(0x09, bytes(10)),
    "PDU type 0": pdu(0, bytes(10)),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS where there is none": bytes.fromhex("16030100c8010000c40303") + bytes(190),
    "an A-ASSOCIATE-RQ without content": pdu(raw.RQ),
    "an A-ASSOCIATE-RQ of one byte": pdu(raw.RQ, b"\0"),
    "an A-ASSOCIATE-RQ one byte short of its fixed part": pdu(raw.RQ, bytes(67)),
    "an A-ASSOCIATE-RQ one byte longer than the limit": pdu(raw.RQ, length=LIMIT + 1),
    "an A-ASSOCIATE-RQ of 4 GB": pdu(raw.RQ, length=0xFFFFFFF0),
    "an A-RELEASE-RQ of 4 GB": pdu(raw.RELEASE_RQ, length=0xFFFFFFF0),
    "data before an association": raw.message(1, raw.echo_rq()),
    "data of 4 GB before an association": pdu(DATA, length=0xFFFFFFF0),
    "a release before an association": pdu(raw.RELEASE_RQ, bytes(4)),
    "a release response to nothing": pdu(raw.RELEASE_RP, bytes(4)),
    "an A-ASSOCIATE-AC to a listener": pdu(raw.AC, LEGAL[6:]),
    "an A-ASSOCIATE-RJ to a listener": pdu(RJ, b"\0\1\1\1"),
    "an item longer than its PDU": pdu(raw.RQ, LEGAL[6:] + item(0x20, b"", 500)),
    "half an item header": pdu(raw.RQ, LEGAL[6:] + b"\x20\0\0"),
    "a sub-item longer than its item": raw.associate_rq(
        before_user=item(0x20, struct.pack(">Bxxx", 9) + item(0x30, b"1.2", 60000))
    ),
    "a presentation context of no bytes": raw.associate_rq(before_user=item(0x20, b"")),
    "user information that overruns": raw.associate_rq(user=item(0x50, item(0x51, bytes(4), 400))),
    "a maximum length of three bytes": raw.associate_rq(user=item(0x50, item(0x51, bytes(3)))),
    "a role selection that overruns": raw.associate_rq(
        user=raw.user_information(item(0x54, struct.pack(">H", 5000) + b"1.2\1\1"))
    ),
    "a user identity that overruns": raw.associate_rq(
        user=raw.user_information(item(0x58, b"\2\0" + struct.pack(">H", 60000) + PATIENT))
    ),
    "an even context ID": raw.associate_rq(contexts=((2, raw.VERIFICATION, (raw.IMPLICIT,)),)),
    "context ID 0": raw.associate_rq(contexts=((0, raw.VERIFICATION, (raw.IMPLICIT,)),)),
    "a context ID used twice": raw.associate_rq(contexts=(raw.USUAL[0], raw.USUAL[0])),
    "more contexts than there are IDs": raw.associate_rq(
        contexts=tuple((2 * n % 256 + 1, raw.VERIFICATION, (raw.IMPLICIT,)) for n in range(129))
    ),
    "a context without an abstract syntax": raw.associate_rq(
        before_user=item(0x20, struct.pack(">Bxxx", 9) + item(0x40, raw.IMPLICIT.encode()))
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_protocol_before_an_association_is_ended(name: str, place: Ground) -> None:
    peer = Peer.connect(place.port)
    peer.send(BROKEN[name])
    assert ending(peer) == ABORT
    goes(place, peer)
    place.settle()
    assert len(lines(place)) == 1, place.lines


REFUSED = {
    "an unknown calling AE": (raw.associate_rq(calling=b"STRANGER"), (1, 1, 3)),
    "an unknown called AE": (raw.associate_rq(called=b"ELSEWHERE"), (1, 1, 7)),
    "a stranger who also asks for somebody else": (
        raw.associate_rq(called=b"ELSEWHERE", calling=b"STRANGER"),
        (1, 1, 3),
    ),
    "a calling AE of spaces": (raw.associate_rq(calling=b""), (1, 1, 3)),
    "a calling AE with a path in it": (raw.associate_rq(calling=b"../../etc/passwd"), (1, 1, 3)),
    "a calling AE that is no text": (raw.associate_rq(calling=bytes(range(128, 144))), (1, 1, 3)),
    "another application context": (raw.associate_rq(application=b"1.2.3.4"), (1, 1, 2)),
    "another version of the protocol": (raw.associate_rq(version=2), (1, 2, 2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_who_may_not_come_in_is_rejected_with_the_reason_of_the_standard(
    name: str, home_place: Ground
) -> None:
    request, why = REFUSED[name]
    peer = Peer.connect(home_place.port)
    peer.send(request)
    assert peer.read() == (RJ, bytes((0, *why)))
    goes(home_place, peer)
    home_place.settle()
    assert len(lines(home_place)) == 1, home_place.lines


TAKEN = {
    "titles padded with NUL": raw.associate_rq(
        called=b"LEADGLASS".ljust(16, b"\0"), calling=b"PEER".ljust(16, b"\0")
    ),
    "an item of an unknown type": raw.associate_rq(before_user=item(0x7F, b"whatever")),
    "unknown user information": raw.associate_rq(user=raw.user_information(item(0x5F, b"whatever"))),
    "more versions than the first": raw.associate_rq(version=3),
    "128 contexts": raw.associate_rq(
        contexts=tuple((2 * n + 1, raw.VERIFICATION, (raw.IMPLICIT,)) for n in range(128))
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_odd_and_legal_is_taken(name: str, place: Ground) -> None:
    peer = Peer.associated(place.port, TAKEN[name])
    assert peer.echo() == 0
    peer.release()


# --- deadlines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said", [b"", LEGAL[:5], LEGAL[:40], LEGAL[:-1]], ids=["nothing", "5", "40", "all but one"]
)
def test_an_association_that_does_not_come_is_given_up(said: bytes, place: Ground) -> None:
    peer = Peer.connect(place.port)
    peer.send(said)
    place.seen()
    place.advance(DEADLINES.association - 1)
    assert place.acceptor.connections == 1  # there is a deadline, and it is not yet over
    place.advance(1.1)
    assert ending(peer) in {ABORT, None}
    goes(place, peer)


def test_a_byte_every_five_seconds_does_not_put_the_deadline_off(place: Ground) -> None:
    peer = Peer.connect(place.port)
    place.seen()
    passed = 0
    for byte in LEGAL:
        peer.send(bytes((byte,)))
        place.advance(5)
        passed += 5
        if peer.has_heard():
            break
    assert passed <= DEADLINES.association + 5
    assert ending(peer) in {ABORT, None}


def test_a_message_that_does_not_end_is_given_up(place: Ground) -> None:
    peer = Peer.associated(place.port)
    peer.send(raw.message(3, raw.store_rq("1.2.3.9")) + pdu(DATA, NO_NAME))
    passed = 0
    while not peer.has_heard():
        peer.send(pdu(DATA, pdv(3, b"x", is_command=False, last=False)))
        place.advance(5)
        passed += 5
        assert passed < 3 * DEADLINES.message
    assert passed >= DEADLINES.message
    assert ending(peer) == ABORT
    place.settle()
    assert len(lines(place)) == 1, place.lines


def test_an_idle_association_is_ended(place: Ground) -> None:
    peer = Peer.associated(place.port)
    assert peer.echo() == 0
    place.advance(DEADLINES.idle - 5)
    assert peer.echo() == 0
    place.advance(DEADLINES.idle + 1)
    assert ending(peer) == ABORT
    goes(place, peer)


@contextmanager
def descriptors(wanted: int) -> Iterator[None]:
    """As the server allows itself at its start: both ends of every connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        pytest.skip(f"{wanted} descriptors are wanted, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def idle(port: int, source: str, said: bytes = b"") -> None:
    made = socket.create_connection(("127.0.0.1", port), timeout=raw.PATIENCE, source_address=(source, 0))
    made.sendall(said)
    Peer.all_of.append(Peer(made))


@pytest.mark.slow
def test_a_thousand_who_say_nothing_or_little_keep_nobody_waiting(place: Ground) -> None:
    with descriptors(4096):
        for number in range(1000):
            idle(place.port, f"127.0.0.{2 + number % 8}", LEGAL[: number % 3])
            if number % 100 == 0:
                place.echo()
        place.store()
        assert place.acceptor.connections >= 1000
        place.advance(DEADLINES.association + 1)
        place.settle()
        for peer in Peer.all_of:
            peer.close()
    assert len(lines(place)) == 1000


@pytest.mark.slow
def test_a_crowd_from_one_address_costs_that_address_its_oldest(place: Ground) -> None:
    most = Manners().per_address
    known = Peer.associated(place.port)
    with descriptors(4096):
        for _ in range(2 * most):
            idle(place.port, "127.0.0.1")
        place.echo()
        assert known.echo() == 0  # whoever is associated goes for nobody
        assert place.acceptor.connections <= most
        place.settle()
        for peer in Peer.all_of:
            peer.close()


# --- on an association -----------------------------------------------------------------------------------------

CLASS_ONLY = raw.command((0x0002, raw.VERIFICATION))
SHORT = pdv(1, b"", is_command=True, length=1)[:4] + b"\1"
ON = {
    "a second A-ASSOCIATE-RQ": LEGAL,
    "an A-ASSOCIATE-AC": pdu(raw.AC, LEGAL[6:]),
    "a PDU type that does not exist": pdu(0x55, b"x"),
    "a PDU of data longer than was agreed": pdu(DATA, length=1 << 20),
    "a PDU of 4 GB": pdu(DATA, length=0xFFFFFFF0),
    "a PDU of data without any": pdu(DATA),
    "a PDU of data too short for a value": pdu(DATA, b"\0\0\0"),
    "a value of length 0": pdu(DATA, pdv(1, b"", is_command=True, length=0)),
    "a value of length 1": pdu(DATA, SHORT),
    "a value longer than its PDU": pdu(DATA, pdv(1, raw.echo_rq(), is_command=True, length=5000)),
    "a value of 4 GB": pdu(DATA, pdv(1, raw.echo_rq(), is_command=True, length=0xFFFFFFF0)),
    "a context that was not accepted": raw.message(9, raw.echo_rq()),
    "an even context": raw.message(2, raw.echo_rq()),
    "a data set without a command": pdu(DATA, pdv(3, PATIENT, is_command=False)),
    "a command that never ends": b"".join(
        pdu(DATA, pdv(1, bytes(8000), is_command=True, last=False)) for _ in range(20)
    ),
    "fragments of nothing that never end": pdu(DATA, pdv(1, b"", is_command=True, last=False)) * 20_000,
    "empty data that never ends": raw.message(3, raw.store_rq("1.2.3.9"))
    + pdu(DATA, pdv(3, b"", is_command=False, last=False)) * 50_000,
    "a command of no elements": raw.message(1, b""),
    "a command that is no command": raw.message(1, PATIENT * 9),
    "a command without a field": raw.message(1, CLASS_ONLY),
    "an element longer than its command": raw.message(1, raw.echo_rq() + struct.pack("<HHI", 0, 0x0902, 4000)),
    "a response to nothing": raw.message(
        1, raw.command((0x0002, raw.VERIFICATION), (0x0100, 0x8030), (0x0120, 1), (0x0800, 0x0101), (0x0900, 0))
    ),
    "a command where a data set was promised": raw.message(3, raw.store_rq("1.2.3.9")) + raw.message(1, raw.echo_rq()),
    "a data set on another context than its command": raw.message(3, raw.store_rq("1.2.3.9"))
    + pdu(DATA, pdv(1, PATIENT, is_command=False)),
    "a release in the middle of a message": raw.message(3, raw.store_rq("1.2.3.9")) + pdu(raw.RELEASE_RQ, bytes(4)),
    "a response of another kind": raw.message(3, raw.get_rq(), b"x") + raw.message(3, raw.response(raw.C_ECHO_RQ)),
    "many requests at once": raw.message(1, raw.echo_rq()) * 500,
}  # fmt: skip


@pytest.mark.parametrize("name", ON)
def test_what_breaks_the_protocol_on_an_association_ends_it(name: str, place: Ground) -> None:
    peer = Peer.associated(place.port)
    peer.send(ON[name])
    heard = set()
    while (kind := ending(peer)) == DATA:
        heard.add(kind)
    assert kind == ABORT
    assert not heard or name == "many requests at once"
    goes(place, peer)
    place.settle()
    assert len(lines(place)) == 1, place.lines


ASKED = pdu(DATA, pdv(3, raw.get_rq(), is_command=True)) + pdu(DATA, pdv(3, b"x", is_command=False))


def test_asking_for_more_amid_an_operation_does_not_keep_both_waiting(empty_place: Ground) -> None:
    """The answer we wait for lies behind a request that nobody can take yet."""
    place = empty_place
    peer = Peer.associated(place.port)
    peer.send(ASKED)
    assert peer.response()[0x0100] == raw.struct.pack("<H", raw.C_STORE_RQ)
    peer.send(raw.message(3, raw.store_rq("1.2.3.9", 2), bytes(8 << 20)))
    while (kind := ending(peer)) == DATA:
        pass
    assert kind in {ABORT, None}  # None: what we had not sent yet turned its close into a reset
    goes(place, peer)
    place.settle()
    assert [line["code"] for line in lines(place)] == ["operations"]


def test_who_asks_and_does_not_answer_is_given_up(empty_place: Ground) -> None:
    place = empty_place
    peer = Peer.associated(place.port)
    peer.send(ASKED)
    assert peer.response()[0x0100] == raw.struct.pack("<H", raw.C_STORE_RQ)
    place.advance(DEADLINES.answer - 1)
    assert place.acceptor.connections == 1
    place.advance(2)
    while (kind := ending(peer)) == DATA:
        pass
    assert kind == ABORT
    goes(place, peer)


def leave_reset(peer: Peer) -> None:
    peer.reset()


def leave_half(peer: Peer) -> None:
    peer.socket.shutdown(1)


def leave_abort(peer: Peer) -> None:
    peer.send(pdu(ABORT, bytes(4)))


LEAVING: dict[str, Callable[[Peer], None]] = {
    "by a reset": leave_reset,
    "by closing its half": leave_half,
    "by an A-ABORT": leave_abort,
    "by closing": Peer.close,
}
MOMENTS = {
    "before it says anything": b"",
    "amid its request": LEGAL[:50],
    "associated": LEGAL,
    "amid a command": LEGAL + raw.message(1, raw.echo_rq())[:30],
    "amid a data set": LEGAL + raw.message(3, raw.store_rq("1.2.3.9")) + pdu(DATA, NO_NAME),
    "without waiting for the answer": LEGAL + raw.message(1, raw.echo_rq()),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("how", LEAVING)
def test_who_leaves_in_the_middle_leaves_nothing_behind(how: str, moment: str, place: Ground) -> None:
    peer = Peer.connect(place.port)
    peer.send(MOMENTS[moment])
    LEAVING[how](peer)
    place.settle()
    assert len(lines(place)) <= 1, place.lines


def test_an_association_goes_on_after_what_an_acceptor_answers_with_a_status(place: Ground) -> None:
    """Control for the above: not everything wrong is the end."""
    peer = Peer.associated(place.port)
    unknown = raw.command(
        (0x0002, raw.VERIFICATION), (0x0100, 0x0140), (0x0110, 7), (0x0800, raw.NO_DATA), (0x1000, "1.2")
    )
    peer.send(raw.message(1, unknown))
    assert peer.status() == 0x0211
    cancel = raw.command((0x0100, raw.C_CANCEL_RQ), (0x0120, 99), (0x0800, raw.NO_DATA))
    peer.send(raw.message(1, cancel))
    assert peer.echo() == 0
    peer.release()


# --- memory ----------------------------------------------------------------------------------------------------

MEGABYTE = 1 << 20
ONE_BYTE = pdv(3, b"x", is_command=False, last=False)
BOMBS = {
    "values of one byte": pdu(DATA, ONE_BYTE * (16000 // len(ONE_BYTE))) * 100,
    "PDUs of one byte": pdu(DATA, ONE_BYTE) * 100_000,
    "one byte among empty values": pdu(DATA, ONE_BYTE + pdv(3, b"", is_command=False, last=False) * 2000)
    * 600,
    "a large data set that is none": pdu(DATA, pdv(3, b"\xff" * 16000, is_command=False, last=False)) * 1500,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_no_bomb_is_held_in_memory(name: str, place: Ground) -> None:
    peer = Peer.associated(place.port)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        peer.send(raw.message(3, raw.store_rq("1.2.3.9")) + BOMBS[name])
        peer.reset()
        place.settle()
        most = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert most < 64 * MEGABYTE + len(BOMBS[name])  # what we hold of it ourselves counts as well


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_what_waits_for_a_stuck_disk_is_bounded_however_it_is_cut(name: str, empty_place: Ground) -> None:
    place = empty_place
    peer = Peer.associated(place.port)
    peer.send(raw.message(3, raw.store_rq(STUCK)))
    peer.socket.setblocking(False)
    tracemalloc.start()
    try:
        rest = memoryview(BOMBS[name] * (24 * MEGABYTE // len(BOMBS[name])))
        before = tracemalloc.get_traced_memory()[0]
        while rest:
            try:
                rest = rest[peer.socket.send(rest) :]
            except BlockingIOError:  # nothing is taken any more, or we were quick
                if not select.select([], [peer.socket], [], 2)[1]:
                    break
            except OSError:
                break  # thrown out
        most = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    peer.reset()
    place.go_on()
    assert rest or name == "one byte among empty values"
    assert most < 16 * MEGABYTE


# --- a machine that makes up peers -----------------------------------------------------------------------------

PIECES = st.sampled_from(sorted({*ON.values(), *BROKEN.values()}, key=len)[:40])
HEADS = st.builds(
    raw.command,
    st.tuples(st.sampled_from((0x0002, 0x0100, 0x0110, 0x0800)), st.integers(0, 0xFFFF)),
    st.tuples(st.sampled_from((0x0100, 0x0110, 0x0120, 0x0800, 0x1000)), st.binary(max_size=80)),
)
VALUES = st.builds(
    pdv,
    st.integers(0, 255),
    st.one_of(st.binary(max_size=200), HEADS),
    is_command=st.booleans(),
    last=st.booleans(),
    length=st.one_of(st.none(), st.integers(0, 0xFFFFFFFF)),
)
# What is asked for comes back on the same association, and the answer to it is to follow; or something else.
GET = raw.message(3, raw.get_rq(), b"what is wanted")
GETTING = {
    "asks": GET,
    "asks, and for more": GET + raw.message(3, raw.store_rq("1.2.3.9", 2), bytes(1 << 20)),
    "sends a lot": raw.message(3, raw.store_rq("1.2.3.9", 2), bytes(1 << 20)),
    "answers": raw.message(3, raw.response(raw.C_STORE_RQ, 1)),
    "answers what comes next": raw.message(3, raw.response(raw.C_STORE_RQ, 2)),
    "answers with a data set": raw.message(3, raw.response(raw.C_GET_RQ, 1, data=1), bytes(1 << 20)),
}
WIRE = st.one_of(
    PIECES,
    st.just(raw.message(1, raw.echo_rq())),
    st.just(raw.message(3, raw.store_rq("1.2.3.9"), PATIENT)),
    st.just(pdu(raw.RELEASE_RQ, bytes(4))),
    st.builds(
        pdu, st.integers(0, 9), st.binary(max_size=300), st.one_of(st.none(), st.integers(0, 0xFFFFFFFF))
    ),
    st.builds(pdu, st.just(DATA), VALUES),
    st.builds(raw.message, st.sampled_from((1, 3, 5)), HEADS),
    st.binary(max_size=100),
)


class Hostile(RuleBasedStateMachine):
    """Several at once, in every order; one who does nothing wrong comes by after each step."""

    peers = Bundle("peers")

    def __init__(self, place: Ground) -> None:
        super().__init__()
        self.place = place
        self.came: list[Peer] = []
        place.lines.clear()

    @rule(target=peers)
    def connect(self) -> Peer:
        peer = Peer.connect(self.place.port)
        self.came.append(peer)
        return peer

    @rule(target=peers)
    def associate(self) -> Peer:
        peer = Peer.associated(self.place.port)
        self.came.append(peer)
        return peer

    @rule(peer=peers, said=WIRE)
    def say(self, peer: Peer, said: bytes) -> None:
        peer.send(said)

    @rule(peer=peers, said=WIRE, cut=st.floats(0, 1))
    def say_a_part(self, peer: Peer, said: bytes, cut: float) -> None:
        peer.send(said[: int(len(said) * cut)])

    @rule(target=peers, then=st.sampled_from(sorted(GETTING)))
    def associate_and_get(self, then: str) -> Peer:
        """The answer that is due is not the first thing that comes."""
        peer = self.associate()
        peer.send(GET)
        peer.response()
        peer.send(GETTING[then])
        return peer

    @rule(peer=peers, what=st.sampled_from(sorted(GETTING)))
    def get(self, peer: Peer, what: str) -> None:
        peer.send(GETTING[what])

    @rule(peer=peers)
    def ask_for_an_association(self, peer: Peer) -> None:
        peer.send(LEGAL)

    @rule(seconds=st.sampled_from((1, 5, 16, 40, 700)))
    def wait(self, seconds: int) -> None:
        self.place.advance(seconds)

    @rule(peer=consumes(peers), how=st.sampled_from(sorted(LEAVING)))
    def leave(self, peer: Peer, how: str) -> None:
        try:
            LEAVING[how](peer)
        except OSError:
            assert peer.socket.fileno() == -1 or how == "by closing its half"

    @invariant()
    def others_are_served(self) -> None:
        self.place.echo()

    def teardown(self) -> None:
        self.place.settle()
        for peer in self.came:
            if peer.socket.fileno() != -1:
                peer.end()
                peer.close()
        self.place.at_baseline()
        assert len(lines(self.place)) <= len(self.came)
        assert PATIENT.decode() not in repr(self.place.lines)
        assert not any(line["log_level"] in {"error", "critical"} for line in self.place.lines), (
            self.place.lines
        )


@pytest.mark.slow
def test_peers_that_a_machine_makes_up(place: Ground) -> None:
    run_state_machine_as_test(
        lambda: Hostile(place),
        settings=settings(
            max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
