"""Fuzz DIMSE commands and messages: whatever fragments come, messages or a ProtocolViolation come out.

An input is a row of fragments: a byte for context, kind and end, a byte for the length, the bytes. The same
bytes are also taken as one command. Besides the contract on exceptions: what a command is decoded to can be
encoded and is then the same; fragments and the same fragments cut in two have the same outcome; the order of
PS3.7 holds in what comes out.
"""

from __future__ import annotations

from typing import Any

import seeded

from leadglass.dimse.command import Command, Field
from leadglass.dimse.message import CommandArrived, DataArrived, DimseLimits, MessageReader
from leadglass.errors import ProtocolViolation
from leadglass.ul.wire import Fragment

LIMITS = DimseLimits(command_bytes=400, empty_fragments=3)
CONTEXTS = (1, 3)
# Bytes that mean something in a command, for the mutator.
TOKENS = (
    b"\0\0\0\0", b"\0\0\0\1", b"\0\0\0\x08", b"\0\0\0\x09", b"\0\0\2\0", b"\0\0\0\x10", b"\2\0\0\0", b"\1\1",
    b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x08\0\x18\0", b"1.2.840.10008.1.1", b"\xff\x0f", b"\x30\x80",
    b"\x03", b"\x02", b"\\", b"\n",
)  # fmt: skip


def fragments(data: bytes) -> list[Fragment]:
    found, at = [], 0
    while at + 2 <= len(data):
        head, length = data[at], data[at + 1]
        body = memoryview(data[at + 2 : at + 2 + length])
        found.append(Fragment(CONTEXTS[head >> 2 & 1], bool(head & 1), bool(head & 2), body))
        at += 2 + length
    return found


def halves(fragment: Fragment) -> list[Fragment]:
    """Cut in two, where that leaves no empty fragment: a row of these is limited."""
    middle = len(fragment.data) // 2
    if not middle:
        return [fragment]
    return [
        fragment._replace(data=fragment.data[:middle], is_last=False),
        fragment._replace(data=fragment.data[middle:]),
    ]


def outcome(row: list[Fragment]) -> tuple[list[Any], str]:
    """The messages as far as they came, and the code of the violation or ''. Anything else is a bug."""
    reader = MessageReader(LIMITS)
    messages: list[Any] = []
    is_open = False
    for fragment in row:
        try:
            arrived = reader.feed(fragment)
        except ProtocolViolation as violation:
            return messages, violation.code
        if isinstance(arrived, CommandArrived):
            assert not is_open
            messages.append([arrived.context_id, arrived.command, b""])
            is_open = arrived.command.has_dataset
        elif isinstance(arrived, DataArrived):
            assert is_open and messages[-1][0] == arrived.context_id
            messages[-1][2] += bytes(arrived.data)
            is_open = not arrived.is_last
        else:
            assert fragment.is_command and not fragment.is_last and not is_open
    return messages, ""


def one_command(data: bytes) -> None:
    try:
        command = Command.decode(data)
    except ProtocolViolation:
        return
    again = command.encode()
    assert Command.decode(again) == command
    assert len(again) % 2 == 0 and isinstance(command.field, Field)


def one_input(data: bytes) -> None:
    one_command(data)
    row = fragments(data)
    whole = outcome(row)
    pieces = outcome([part for fragment in row for part in halves(fragment)])
    if not whole[1]:
        assert whole == pieces
    else:
        # The first half of what was refused may have been data already, or a command too long by itself.
        assert pieces[1] and [m[:2] for m in whole[0]] == [m[:2] for m in pieces[0]]


def _fragment(data: bytes, head: int) -> bytes:
    return bytes([head, len(data)]) + data


def corpus() -> list[bytes]:
    """Commands of every kind: bare, as messages, and several messages in a row."""
    bare = [command.encode() for command in commands()]
    whole = [
        _fragment(data, 3) + _fragment(b"data", 0) * (n % 3) + _fragment(b"", 2)
        for n, data in enumerate(bare)
    ]
    cut = [_fragment(data[:30], 5) + _fragment(data[30:], 7) + _fragment(b"xy", 6) for data in bare]
    ended = [_fragment(command.encode(), 3) for command in commands() if not command.has_dataset]
    rows = [first + second for first, second in zip(ended * 4, whole + cut, strict=False)]
    return bare + whole + cut + rows


def commands() -> list[Command]:
    """One of every kind."""
    uid, other = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
    ids: dict[str, Any] = {"message_id": 1, "affected_sop_class_uid": uid}
    instance: dict[str, Any] = {
        "message_id": 1,
        "requested_sop_class_uid": uid,
        "requested_sop_instance_uid": other,
    }
    requests = [
        Command(Field.C_ECHO_RQ, **ids),
        Command(Field.C_STORE_RQ, **ids, affected_sop_instance_uid=other, priority=0, has_dataset=True),
        Command(Field.C_FIND_RQ, **ids, priority=0, has_dataset=True),
        Command(Field.C_GET_RQ, **ids, priority=1, has_dataset=True),
        Command(Field.C_MOVE_RQ, **ids, priority=2, move_destination="DEST", has_dataset=True),
        Command(Field.N_EVENT_REPORT_RQ, **ids, affected_sop_instance_uid=other, event_type_id=1),
        Command(Field.N_ACTION_RQ, **instance, action_type_id=1, has_dataset=True),
        Command(Field.N_GET_RQ, **instance, attribute_identifiers=(0x00100010, 0x00100020)),
        Command(Field.N_SET_RQ, **instance, has_dataset=True),
        Command(Field.N_CREATE_RQ, **ids),
        Command(Field.N_DELETE_RQ, **instance),
    ]
    answers = [
        request.respond(0xB000, error_comment="Odd", offending_elements=(0x00080018,)) for request in requests
    ]
    counted = requests[3].respond(0xFF00, remaining=3, completed=2, failed=1, warning=0)
    return [*requests, *answers, counted, Command(Field.C_CANCEL_RQ, responding_to=1)]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
