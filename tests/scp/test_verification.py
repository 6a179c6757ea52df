"""C-ECHO (PS3.4 Annex A)."""

from __future__ import annotations

from typing import Any

from leadglass.access.principal import Via
from leadglass.dimse.command import Command, Field
from leadglass.dimse.sop_classes import VERIFICATION
from leadglass.scp.verification import verify

from .conftest import EXPLICIT, calling, run


def test_whoever_was_let_in_is_answered(house: Any) -> None:
    async def whole() -> Command:
        nothing_allowed = house.ae(allow=frozenset())
        async with (
            house.listening({Field.C_ECHO_RQ: verify}, nothing_allowed, Via.RECEIVE) as port,
            calling(port, (VERIFICATION, (EXPLICIT,))) as link,
        ):
            request = Command(Field.C_ECHO_RQ, message_id=9, affected_sop_class_uid=VERIFICATION)
            return (await link.request(1, request)).command

    assert run(whole()) == Command(
        Field.C_ECHO_RSP, responding_to=9, affected_sop_class_uid=VERIFICATION, status=0
    )
