"""Command sets: every byte of them, what is tolerated, and what hostile ones get."""

from __future__ import annotations

import struct
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadglass.dicom.dictionary import TAG_BY_KEYWORD, VR_BY_TAG
from leadglass.dimse.command import (
    MANDATORY,
    MAX_ELEMENTS,
    WITH_DATASET,
    WITHOUT_DATASET,
    Command,
    Field,
    Priority,
)
from leadglass.errors import BrokenInvariant, ProtocolViolation

from .conftest import VALUES, as_command, commands, elements, vectors

MESSAGES = vectors("messages.toml", "message")
MALFORMED = vectors("malformed.toml")
TOLERATED = vectors("tolerated.toml")
COMMANDS = {
    Field[row["field"]]: as_command({"field": Field[row["field"]], **row["command"]}) for row in MESSAGES
}
BYTES = {Field[row["field"]]: row["bytes"] for row in MESSAGES}
ECHO = Command(Field.C_ECHO_RQ, message_id=1, affected_sop_class_uid="1.2.840.10008.1.1")
REQUESTS = [field for field in Field if not field.is_response and field is not Field.C_CANCEL_RQ]


def refusal(data: bytes) -> ProtocolViolation:
    with pytest.raises(ProtocolViolation) as caught:
        Command.decode(data)
    return caught.value


def outcome(data: bytes) -> Field | str:
    """The kind of command, which is legal to be sent on, or the code of the violation."""
    try:
        command = Command.decode(data)
    except ProtocolViolation as violation:
        return violation.code
    assert Command.decode(command.encode()) == command
    return command.field


# --- vectors ----------------------------------------------------------------------------------------------


def test_there_is_a_vector_of_every_message() -> None:
    assert set(BYTES) == set(Field)


@pytest.mark.parametrize("field", Field, ids=lambda f: f.name)
def test_golden(field: Field) -> None:
    assert Command.decode(BYTES[field]) == COMMANDS[field]
    assert COMMANDS[field].encode() == BYTES[field]


@pytest.mark.parametrize("field", Field, ids=lambda f: f.name)
def test_golden_in_any_buffer(field: Field) -> None:
    data = BYTES[field]
    assert Command.decode(bytearray(data)) == Command.decode(memoryview(b"x" + data)[1:]) == COMMANDS[field]


@pytest.mark.parametrize("field", Field, ids=lambda f: f.name)
def test_golden_with_trailing_bytes(field: Field) -> None:
    data = BYTES[field]
    for trailing in (b"\0", b"\0" * 7, data):  # a command after a command has elements twice
        assert refusal(data + trailing).code == "command-element"


@pytest.mark.parametrize("field", Field, ids=lambda f: f.name)
def test_golden_cut_short(field: Field) -> None:
    """Anywhere: within an element it is malformed, between two a command that lacks something, or legal."""
    data = BYTES[field]
    starts, at = {0}, 0
    for _, element in elements(data):
        at += len(element)
        starts.add(at)
    for length in range(len(data)):
        if length not in starts:
            assert refusal(data[:length]).code == "command-element"
        else:
            assert outcome(data[:length]) in {field, "command-field", "command-incomplete"}


@pytest.mark.parametrize("vector", MALFORMED, ids=lambda v: v["name"])
def test_malformed(vector: dict[str, Any]) -> None:
    assert refusal(vector["bytes"]).code == vector["code"]


@pytest.mark.parametrize("vector", TOLERATED, ids=lambda v: v["name"])
def test_tolerated(vector: dict[str, Any]) -> None:
    expected = as_command(dict(vector["command"])) if "command" in vector else ECHO
    assert Command.decode(vector["bytes"]) == expected


# --- round trips --------------------------------------------------------------------------------------------


@given(commands())
def test_what_is_encoded_is_decoded(command: Command) -> None:
    assert Command.decode(command.encode()) == command


@given(commands())
def test_what_is_encoded_is_well_formed(command: Command) -> None:
    """PS3.7 6.3.1, PS3.5 7.1: ascending tags, even lengths, the group length of what follows."""
    data = command.encode()
    found = elements(data)
    assert [tag for tag, _ in found] == sorted({tag for tag, _ in found})
    assert all(len(element) % 2 == 0 for _, element in found)
    assert found[0] == (0, struct.pack("<HHII", 0, 0, 4, len(data) - 12))


@given(commands(), st.randoms(use_true_random=False))
def test_the_order_of_elements_does_not_matter(command: Command, chance: Any) -> None:
    parts = [element for _, element in elements(command.encode())]
    chance.shuffle(parts)
    assert Command.decode(b"".join(parts)) == command


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_a_violation(data: bytes) -> None:
    outcome(data)


@given(st.lists(st.sampled_from([e for data in BYTES.values() for _, e in elements(data)]), max_size=14))
def test_any_elements_are_a_command_or_a_violation(parts: list[bytes]) -> None:
    outcome(b"".join(parts))


# --- what a command has to have -----------------------------------------------------------------------------

LACKS = [(field, attribute) for field in Field for attribute in MANDATORY[field]]
TAGS = {
    "message_id": 0x0110, "responding_to": 0x0120, "status": 0x0900, "priority": 0x0700,
    "affected_sop_class_uid": 0x0002, "requested_sop_class_uid": 0x0003,
    "affected_sop_instance_uid": 0x1000, "requested_sop_instance_uid": 0x1001,
    "move_destination": 0x0600, "event_type_id": 0x1002, "action_type_id": 0x1008,
}  # fmt: skip


@pytest.mark.parametrize(("field", "attribute"), LACKS, ids=lambda v: getattr(v, "name", v))
def test_a_mandatory_element_is_missing(field: Field, attribute: str) -> None:
    present = dict(elements(BYTES[field]))
    del present[TAGS[attribute]]
    violation = refusal(b"".join(present.values()))
    assert violation.code == "command-incomplete"
    assert field.name in str(violation)


@pytest.mark.parametrize(("field", "attribute"), LACKS, ids=lambda v: getattr(v, "name", v))
def test_we_never_send_it_without(field: Field, attribute: str) -> None:
    lacking: Any = {attribute: "" if attribute.endswith(("uid", "destination")) else None}
    with pytest.raises(BrokenInvariant):
        replace(COMMANDS[field], **lacking).encode()


@pytest.mark.parametrize("field", sorted(WITH_DATASET | WITHOUT_DATASET), ids=lambda f: f.name)
def test_a_data_set_where_there_is_none_or_none_where_there_is(field: Field) -> None:
    wrong = replace(COMMANDS[field], has_dataset=field in WITHOUT_DATASET)
    with pytest.raises(BrokenInvariant):
        wrong.encode()
    present = dict(elements(BYTES[field]))
    value = b"\1\0" if wrong.has_dataset else b"\1\1"
    present[0x0800] = b"\0\0\0\x08\2\0\0\0" + value
    assert refusal(b"".join(present.values())).code == "command-dataset"


def test_more_elements_than_the_group_ever_had() -> None:
    unknown = b"".join(struct.pack("<HHI", 0, 0x8000 + n, 0) for n in range(MAX_ELEMENTS))
    data = ECHO.encode()
    spare = MAX_ELEMENTS - len(elements(data))
    assert Command.decode(data + unknown[: spare * 8]) == ECHO
    assert refusal(data + unknown[: (spare + 1) * 8]).code == "command-element"


def test_the_limit_leaves_room_for_every_element_of_the_dictionary() -> None:
    assert sum(tag >> 16 == 0 for tag in VR_BY_TAG) <= MAX_ELEMENTS


def one_of(attribute: str) -> Any:
    default = Command.__dataclass_fields__[attribute].default
    return {None: 1, "": "1", (): (1,)}[default]


def test_every_attribute_has_a_tag_of_its_own() -> None:
    """What encode writes for one attribute is one element, and never another attribute's."""
    everything = Command(Field.C_MOVE_RSP, **{name: one_of(name) for name in VALUES})
    found = elements(everything.encode())
    assert len(found) == len(fields(Command)) + 1  # the group length
    assert {tag for tag, _ in found} <= set(TAG_BY_KEYWORD.values())
    assert Command.decode(everything.encode()) == everything


# --- values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"message_id": 65536},
        {"message_id": -1},
        {"affected_sop_class_uid": "1" * 65},
        {"affected_sop_class_uid": "1.2.\n3"},
        {"affected_sop_class_uid": "1.2.\u0663"},
        {"move_originator_title": "ABCDEFGHIJKLMNOPQ"},
        {"move_originator_title": "TÜBINGEN"},
        {"move_originator_title": "A\\B"},
        {"error_id": 70000},
    ],
    ids=str,
)
def test_we_never_send_what_its_vr_cannot_be(change: dict[str, Any]) -> None:
    with pytest.raises(BrokenInvariant):
        replace(ECHO, **change).encode()


def test_more_sub_operations_than_can_be_counted() -> None:
    response = replace(
        COMMANDS[Field.C_GET_RSP], remaining=70_000, completed=65_535, failed=65_536, warning=0
    )
    decoded = Command.decode(response.encode())
    assert (decoded.remaining, decoded.completed, decoded.failed, decoded.warning) == (65535, 65535, 65535, 0)


@given(st.text(max_size=200))
def test_any_comment_can_be_sent_and_is_fit_to_be_shown(text: str) -> None:
    sent = ECHO.respond(0xC000, error_comment=text).encode()
    comment = Command.decode(sent).error_comment
    assert len(comment) <= 64 and comment.isascii() and comment.isprintable() and "\\" not in comment


@given(st.binary(max_size=300))
def test_any_comment_that_comes_is_fit_to_be_shown(value: bytes) -> None:
    data = ECHO.respond(0xC000).encode() + struct.pack("<HHI", 0, 0x0902, len(value)) + value
    comment = Command.decode(data).error_comment
    assert len(comment) <= 64 and comment.isascii() and comment.isprintable()
    assert Command.decode(ECHO.respond(0xC000, error_comment=comment).encode()).error_comment == comment


def test_a_long_comment_is_cut() -> None:
    assert Command.decode(ECHO.respond(0xC000, error_comment="x" * 100).encode()).error_comment == "x" * 64


def test_no_value_gets_into_an_error() -> None:
    named = ECHO.encode().replace(b"1.2.840.10008.1.1", b"1.2.840.Doe^Jane\n")
    violation = refusal(named)
    assert "Doe" not in str(violation)
    assert "(0000,0002)" in str(violation)


# --- responses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", REQUESTS, ids=lambda f: f.name)
def test_a_response_answers_its_request(field: Field) -> None:
    request = COMMANDS[field]
    response = request.respond(0x0110, error_comment="Failed")
    assert response.field.name == field.name.replace("_RQ", "_RSP")
    assert response.field.is_response and not field.is_response
    assert response.responding_to == request.message_id
    assert response.message_id is None
    assert (response.status, response.error_comment, response.has_dataset) == (0x0110, "Failed", False)
    expected = request.affected_sop_class_uid or request.requested_sop_class_uid
    assert response.affected_sop_class_uid == expected
    expected = request.affected_sop_instance_uid or request.requested_sop_instance_uid
    assert response.affected_sop_instance_uid == expected
    assert response.action_type_id == request.action_type_id
    assert response.event_type_id == request.event_type_id
    assert Command.decode(response.encode()) == response


def test_a_response_may_have_a_data_set_and_counts() -> None:
    response = COMMANDS[Field.C_GET_RQ].respond(0xB000, has_dataset=True, failed=2, completed=1)
    assert (response.has_dataset, response.failed, response.completed) == (True, 2, 1)


@pytest.mark.parametrize("field", sorted(set(Field) - set(REQUESTS)), ids=lambda f: f.name)
def test_responses_and_cancellations_are_not_answered(field: Field) -> None:
    with pytest.raises(BrokenInvariant):
        COMMANDS[field].respond(0)


def test_priorities() -> None:
    """PS3.7 Table 9.3-1: LOW 0002H, MEDIUM 0000H, HIGH 0001H."""
    assert (Priority.LOW, Priority.MEDIUM, Priority.HIGH) == (2, 0, 1)
