"""pynetdicom as the oracle: every DIMSE message, its encoder against our decoder and the other way round."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pynetdicom import dimse_messages, dimse_primitives
from pynetdicom.dimse_messages import _COMMAND_SET_KEYWORDS, _DATASET_KEYWORDS
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import P_DATA

from leadglass.dimse.command import KEYWORDS, MANDATORY, WITH_DATASET, WITHOUT_DATASET, Command, Field

from .conftest import VALUES, commands

DATA_SET = b"\x08\0\x05\0\0\0\0\0"


def names(field: Field) -> tuple[str, str]:
    """C-STORE-RQ, C_STORE"""
    return field.name.replace("_", "-"), field.name.rsplit("_R", 1)[0]


def theirs(field: Field, command: Command) -> Command:
    """As much of it as pynetdicom puts into such a message."""
    has = _COMMAND_SET_KEYWORDS[names(field)[0]]
    nothing = Command(field)
    absent: dict[str, Any] = {name: getattr(nothing, name) for name in VALUES if KEYWORDS[name] not in has}
    if "priority" not in absent and command.priority is not None:
        absent["priority"] = command.priority % 3  # it knows the three there are
    return replace(command, **absent)


def primitive(command: Command) -> Any:
    found = getattr(dimse_primitives, names(command.field)[1])()
    for name in VALUES:
        value = getattr(command, name)
        if value not in (None, "", ()):
            setattr(found, KEYWORDS[name], list(value) if isinstance(value, tuple) else value)
    if command.has_dataset:
        setattr(found, _DATASET_KEYWORDS[command.field.name], BytesIO(DATA_SET))
    return found


def attributes(found: Any) -> dict[str, Any]:
    """A primitive of theirs by our names."""
    values = {}
    for name in VALUES:
        value = getattr(found, KEYWORDS[name], None)
        if name in {"offending_elements", "attribute_identifiers"} and value is not None:
            value = tuple(map(int, [value] if isinstance(value, int) else value))
        values[name] = value
    return values


@pytest.mark.parametrize("field", Field, ids=lambda f: f.name)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_we_read_and_write_what_pynetdicom_writes(field: Field, data: st.DataObject) -> None:
    command = theirs(field, data.draw(commands((field,))))
    message = getattr(dimse_messages, field.name)()
    message.primitive_to_message(primitive(command))
    written = encode(message.command_set, True, True)
    assert written == command.encode()
    assert Command.decode(written) == command


@pytest.mark.parametrize("field", Field, ids=lambda f: f.name)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_pynetdicom_reads_what_we_write(field: Field, data: st.DataObject) -> None:
    command = theirs(field, data.draw(commands((field,))))
    fragments = P_DATA()
    fragments.presentation_data_value_list.append((1, b"\x03" + command.encode()))
    if command.has_dataset:
        fragments.presentation_data_value_list.append((1, b"\x02" + DATA_SET))
    message = dimse_messages.DIMSEMessage()
    assert message.decode_msg(fragments) is True
    assert type(message).__name__ == field.name
    got = attributes(message.message_to_primitive())
    if field.is_response:
        del got["priority"]  # its primitives say LOW where the message has none
    for name in got:
        expected = getattr(command, name)
        assert got[name] == (None if expected in ("", ()) else expected), name


@pytest.mark.parametrize("field", Field, ids=lambda f: f.name)
def test_what_is_mandatory_is_what_pynetdicom_requires(field: Field) -> None:
    """Its tables come from the service definitions, PS3.7 9.1 and 10.1."""
    kind = getattr(dimse_primitives, names(field)[1])
    required = set(getattr(kind, "RESPONSE_KEYWORDS" if field.is_response else "REQUEST_KEYWORDS", ()))
    data_sets = {_DATASET_KEYWORDS.get(name) for name in (field.name, field.name.replace("RSP", "RQ"))}
    if field is Field.C_CANCEL_RQ:
        required = {"MessageIDBeingRespondedTo"}  # PS3.7 9.3.2.3; pynetdicom has no table of it
    assert {KEYWORDS[name] for name in MANDATORY[field]} == required - data_sets


def test_who_has_a_data_set() -> None:
    for field in WITH_DATASET:
        assert field.name in _DATASET_KEYWORDS
    for field in WITHOUT_DATASET:
        assert field.name not in _DATASET_KEYWORDS
