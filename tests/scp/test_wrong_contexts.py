"""Commands on presentation contexts that are for something else: a status, nothing done, and the next is heard."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.access.principal import Via
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.command import MANDATORY, WITH_DATASET, Command, Field
from leadglass.scp.services import handlers

from .conftest import CT, EXPLICIT, calling, identifier, run

# The abstract syntax of each operation's own context.
OWN = {
    Field.C_STORE_RQ: CT,
    Field.C_FIND_RQ: uids.STUDY_ROOT_FIND,
    Field.C_GET_RQ: uids.STUDY_ROOT_GET,
    Field.C_MOVE_RQ: uids.STUDY_ROOT_MOVE,
    Field.N_ACTION_RQ: uids.STORAGE_COMMITMENT_PUSH,
}
CONTEXTS = (uids.VERIFICATION, *OWN.values())
WHOLE = identifier("STUDY", StudyInstanceUID="1.2.3")
VALUES: dict[str, Any] = {
    "priority": 0,
    "move_destination": "NOBODY",
    "action_type_id": 1,
    "affected_sop_instance_uid": "1.2.3.1.1",
    "requested_sop_instance_uid": uids.STORAGE_COMMITMENT_INSTANCE,
}
NAMED = ("affected_sop_class_uid", "requested_sop_class_uid")


def command(field: Field, sop_class: str, message_id: int) -> Command:
    """A legal command set with the SOP class where it stands in this one."""
    values = VALUES | dict.fromkeys(NAMED, sop_class) | {"message_id": message_id}
    wanted = {name: values[name] for name in MANDATORY[field]}
    return Command(field, has_dataset=field in WITH_DATASET or field is Field.N_ACTION_RQ, **wanted)


def statuses(house: Any, field: Field, named: str | None = None) -> dict[str, int]:
    """What is said to the operation on each context but its own; under the context's SOP class, or `named`."""

    async def dial(*_: Any) -> Any:
        raise AssertionError("nobody is to be called")

    async def whole() -> dict[str, int]:
        performed = handlers(house.services, dial, house.workers, 1 << 20)
        found = {}
        async with (
            house.listening(performed, house.ae(), Via.DIMSE) as port,
            calling(port, *((uid, (EXPLICIT,)) for uid in CONTEXTS)) as link,
        ):
            for number, uid in enumerate(CONTEXTS):
                if uid != OWN[field]:
                    asked = command(field, named or uid, link.next_message_id())
                    answer = await link.request(2 * number + 1, asked, WHOLE)
                    found[uid] = answer.command.status
            echo = Command(
                Field.C_ECHO_RQ,
                message_id=link.next_message_id(),
                affected_sop_class_uid=uids.VERIFICATION,
            )
            assert (await link.request(1, echo)).command.status == 0
        return found

    found: dict[str, int] = run(whole())
    return found


@pytest.mark.parametrize("field", OWN)
def test_under_the_sop_class_of_the_context(filled: Any, field: Field) -> None:
    expected = {
        Field.C_STORE_RQ: {0x0122},
        Field.C_FIND_RQ: {0x0122},
        Field.C_GET_RQ: {0xA900},
        Field.C_MOVE_RQ: {0xA801},
        Field.N_ACTION_RQ: {0x0118},
    }
    before = len(filled.entries("object.store"))
    assert set(statuses(filled, field).values()) == expected[field]
    assert len(filled.entries("object.store")) == before


@pytest.mark.parametrize("field", OWN)
def test_under_its_own_sop_class(filled: Any, field: Field) -> None:
    """What it is called must not be enough: the context has to be its own as well."""
    expected = {
        Field.C_STORE_RQ: {0xA900},
        Field.C_FIND_RQ: {0x0122},
        Field.C_GET_RQ: {0xA900},
        Field.C_MOVE_RQ: {0xA801},
        Field.N_ACTION_RQ: {0x0118},
    }
    assert set(statuses(filled, field, OWN[field]).values()) == expected[field]


def test_a_move_to_somebody_known(filled: Any) -> None:
    filled.add_ae("NOBODY@127.0.0.1:1")
    assert set(statuses(filled, Field.C_MOVE_RQ).values()) == {0xA900}
    assert set(statuses(filled, Field.C_MOVE_RQ, OWN[Field.C_MOVE_RQ]).values()) == {0xA900}
