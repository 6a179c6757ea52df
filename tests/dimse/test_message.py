"""Messages out of fragments: cut anywhere, in order, within limits."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.dimse.command import Command, Field
from leadglass.dimse.message import CommandArrived, DataArrived, DimseLimits, MessageReader
from leadglass.errors import ProtocolViolation
from leadglass.ul.wire import Fragment, PduReader, UlLimits, p_data

from .conftest import as_command, commands, vectors

MESSAGES = vectors("messages.toml", "message")
ECHO = Command(Field.C_ECHO_RQ, message_id=1, affected_sop_class_uid="1.2.840.10008.1.1").encode()
FIND = Command(
    Field.C_FIND_RQ,
    message_id=2,
    affected_sop_class_uid="1.2.840.10008.5.1.4.1.2.2.1",
    priority=0,
    has_dataset=True,
).encode()


def command(data: bytes, *, last: bool = True, context: int = 1) -> Fragment:
    return Fragment(context, True, last, memoryview(data))


def dataset(data: bytes, *, last: bool = True, context: int = 1) -> Fragment:
    return Fragment(context, False, last, memoryview(data))


def cut(fragment: Fragment, at: list[int]) -> list[Fragment]:
    """The same bytes in pieces; only the last piece may be the last."""
    edges = [0, *sorted(at), len(fragment.data)]
    pieces = [fragment.data[start:end] for start, end in pairwise(edges)]
    return [
        fragment._replace(data=piece, is_last=fragment.is_last and n == len(pieces) - 1)
        for n, piece in enumerate(pieces)
    ]


def read(
    fragments: list[Fragment], reader: MessageReader | None = None
) -> list[tuple[int, Command, bytes | None]]:
    """The messages, whole."""
    reader = reader or MessageReader()
    messages: list[list[Any]] = []
    for fragment in fragments:
        arrived = reader.feed(fragment)
        if isinstance(arrived, CommandArrived):
            assert not messages or not messages[-1][1].has_dataset or messages[-1][3]
            messages.append(
                [arrived.context_id, arrived.command, bytearray(), not arrived.command.has_dataset]
            )
        elif isinstance(arrived, DataArrived):
            assert messages[-1][0] == arrived.context_id and not messages[-1][3]
            messages[-1][2] += arrived.data
            messages[-1][3] = arrived.is_last
        assert reader.is_midway == (arrived is None or not messages[-1][3])
    return [
        (context, found, bytes(data) if found.has_dataset else None) for context, found, data, _ in messages
    ]


def refusal(fragments: list[Fragment], limits: DimseLimits | None = None) -> ProtocolViolation:
    """All but the last are legal, the last is not."""
    reader = MessageReader(limits)
    for fragment in fragments[:-1]:
        reader.feed(fragment)
    with pytest.raises(ProtocolViolation) as caught:
        reader.feed(fragments[-1])
    return caught.value


# --- vectors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", MESSAGES, ids=lambda r: r["field"])
@pytest.mark.parametrize("size", [None, 1, 7])
def test_golden(row: dict[str, Any], size: int | None) -> None:
    """Whole, byte by byte, and with another message behind."""
    expected = as_command({"field": Field[row["field"]], **row["command"]})
    pieces = cut(command(row["bytes"]), list(range(size, len(row["bytes"]), size)) if size else [])
    fragments = list(pieces)
    if expected.has_dataset:
        fragments += [dataset(b"\x08\0", last=False), dataset(b"\x05\0", last=False), dataset(b"")]
    message = (1, expected, b"\x08\0\x05\0" if expected.has_dataset else None)
    assert read(fragments) == [message]
    assert read([*fragments, command(ECHO), *fragments]) == [
        message,
        (1, Command.decode(ECHO), None),
        message,
    ]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Any], list[Fragment]]:
    messages, fragments = [], []
    for _ in range(draw(st.integers(1, 4))):
        found, context = draw(commands()), draw(st.integers(0, 127)) * 2 + 1
        parts = [command(found.encode(), context=context)]
        data = None
        if found.has_dataset:
            data = draw(st.binary(max_size=60))
            parts.append(dataset(data, context=context))
        messages.append((context, found, data))
        for part in parts:
            fragments += cut(part, draw(st.lists(st.integers(0, len(part.data)), max_size=6)))
    return messages, fragments


@given(conversations())
def test_messages_come_out_however_they_were_cut(conversation: tuple[list[Any], list[Fragment]]) -> None:
    messages, fragments = conversation
    assert read(fragments) == messages


@given(conversations(), st.integers(1, 40))
def test_messages_come_out_of_the_wire(conversation: tuple[list[Any], list[Fragment]], chunk: int) -> None:
    messages, fragments = conversation
    stream = b"".join(
        p_data(f.context_id, is_command=f.is_command, is_last=f.is_last, length=len(f.data)) + f.data
        for f in fragments
    )
    wire = PduReader(UlLimits())
    arrived: list[Any] = []
    for at in range(0, len(stream), chunk):
        arrived += wire.feed(stream[at : at + chunk])
    assert read(arrived) == messages


FRAGMENTS = st.builds(
    Fragment,
    st.sampled_from([1, 3]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([b"", b"\0", ECHO, FIND, ECHO[:20], FIND[:31], FIND[31:]]).map(memoryview),
)


@given(st.lists(FRAGMENTS, max_size=12))
def test_any_fragments_are_messages_or_a_violation(fragments: list[Fragment]) -> None:
    """What was read until the violation obeys the order too: `read` asserts it."""
    with suppress(ProtocolViolation):
        read(fragments)


# --- no copies --------------------------------------------------------------------------------------------


def test_data_are_handed_on_as_they_are() -> None:
    reader = MessageReader()
    reader.feed(command(FIND))
    fragment = dataset(b"x" * 1000, last=False)
    arrived = reader.feed(fragment)
    assert isinstance(arrived, DataArrived)
    assert arrived.data is fragment.data


def test_a_data_set_is_not_held() -> None:
    reader = MessageReader()
    reader.feed(command(FIND))
    chunk = memoryview(bytes(1 << 20))
    tracemalloc.start()
    for _ in range(1000):
        reader.feed(Fragment(1, False, False, chunk))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 10


# --- order ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fragments",
    [
        [dataset(b"")],
        [dataset(b"x", last=False)],
        [command(ECHO), dataset(b"x")],
        [command(ECHO), dataset(b"")],
        [command(FIND), dataset(b"x"), dataset(b"x")],
        [command(FIND), dataset(b""), dataset(b"")],
        [command(FIND[:20], last=False), dataset(b"x")],
        [command(FIND), dataset(b"x", context=3)],
        [command(FIND), dataset(b"x", last=False), dataset(b"x", context=3)],
        [command(FIND), command(ECHO)],
        [command(FIND), command(ECHO, context=3)],
        [command(FIND), dataset(b"x", last=False), command(ECHO)],
        [command(FIND), command(b"")],
        [command(ECHO[:20], last=False), command(ECHO, context=3)],
        [command(b"", last=False), command(ECHO, context=3)],
        [command(b"", last=False), dataset(b"")],
    ],
    ids=[
        "data set first",
        "part of a data set first",
        "data set after a command without one",
        "empty data set after a command without one",
        "second data set",
        "second data set after an empty one",
        "data set within a command",
        "data set of another context",
        "rest of a data set of another context",
        "command where a data set is due",
        "command of another context where a data set is due",
        "command within a data set",
        "empty command where a data set is due",
        "rest of a command of another context",
        "rest of a command that began empty",
        "data set after an empty beginning of a command",
    ],
)
def test_out_of_order(fragments: list[Fragment]) -> None:
    assert refusal(fragments).code == "message-order"


def test_the_command_itself_is_broken() -> None:
    assert refusal([command(ECHO[:20], last=False), command(ECHO)]).code == "command-element"
    assert refusal([command(b"")]).code == "command-field"


# --- limits -----------------------------------------------------------------------------------------------

PADDING = 0x9000  # an unknown element, which is ignored


def long_command(length: int) -> bytes:
    space = length - len(ECHO) - 8
    return ECHO + b"\0\0" + PADDING.to_bytes(2, "little") + space.to_bytes(4, "little") + bytes(space)


@pytest.mark.parametrize("size", [None, 1, 1000])
def test_the_longest_command(size: int | None) -> None:
    limit = DimseLimits().command_bytes
    assert limit == 16 << 10
    longest = long_command(limit)
    pieces = cut(command(longest), list(range(size, limit, size)) if size else [])
    assert read(pieces) == [(1, Command.decode(ECHO), None)]
    longer = long_command(limit + 1)
    pieces = cut(command(longer), list(range(size, limit + 1, size)) if size else [])
    assert refusal(pieces).code == "command-length"


def test_a_command_that_never_ends() -> None:
    """It is refused when it grows too long, not when it is whole."""
    reader = MessageReader(DimseLimits(command_bytes=100))
    reader.feed(command(bytes(100), last=False))
    with pytest.raises(ProtocolViolation) as caught:
        reader.feed(command(b"\0", last=False))
    assert caught.value.code == "command-length"


def test_a_long_fragment_is_refused_before_it_is_copied() -> None:
    huge = memoryview(bytes(8 << 20))
    reader = MessageReader()
    tracemalloc.start()
    with pytest.raises(ProtocolViolation):
        reader.feed(Fragment(1, True, False, huge))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 10


EMPTY = 3


@pytest.mark.parametrize(
    ("before", "empty", "after"),
    [
        ([], command(b"", last=False), [command(ECHO)]),
        ([command(ECHO[:20], last=False)], command(b"", last=False), [command(ECHO[20:])]),
        ([command(FIND)], dataset(b"", last=False), [dataset(b"x")]),
        ([command(FIND), dataset(b"x", last=False)], dataset(b"", last=False), [dataset(b"")]),
    ],
    ids=["before a command", "within a command", "before a data set", "within a data set"],
)
def test_empty_fragments(before: list[Fragment], empty: Fragment, after: list[Fragment]) -> None:
    limits = DimseLimits(empty_fragments=EMPTY)
    assert len(read([*before, *[empty] * EMPTY, *after], MessageReader(limits))) == 1
    assert refusal([*before, *[empty] * (EMPTY + 1)], limits).code == "empty-fragments"


def test_empty_fragments_count_only_in_a_row() -> None:
    limits = DimseLimits(empty_fragments=EMPTY)
    pauses = [dataset(b"", last=False)] * EMPTY
    one = [
        command(FIND[:9], last=False),
        *[command(b"", last=False)] * EMPTY,
        command(FIND[9:10], last=False),
    ]
    one += [*[command(b"", last=False)] * EMPTY, command(FIND[10:])]
    one += [*pauses, dataset(b"x", last=False), *pauses, dataset(b"")]
    assert len(read(one * 3, MessageReader(limits))) == 3


def test_the_limit_of_empty_fragments_is_generous() -> None:
    assert DimseLimits().empty_fragments == 1024


def test_a_command_that_is_repeated_is_told_from_one_that_differs_in_a_byte() -> None:
    pending = Command(
        Field.C_FIND_RSP, responding_to=2, status=0xFF00, affected_sop_class_uid="1.2", has_dataset=True
    )
    other = replace(pending, responding_to=3)
    rows = [pending, pending, other, pending, other, other]
    fragments = [part for row in rows for part in (command(row.encode()), dataset(b"x"))]
    assert [message[1] for message in read(fragments)] == rows
    assert [message[1] for message in read([part for f in fragments for part in cut(f, [1])])] == rows
