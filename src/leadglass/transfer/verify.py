"""C-ECHO as SCU (PS3.4 Annex A): is anybody there, and would they talk to us?"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from leadglass.dimse.command import Command, Field
from leadglass.dimse.sop_classes import VERIFICATION
from leadglass.dimse.status import SUCCESS, Service
from leadglass.errors import Refused
from leadglass.net.deadlines import Deadlines
from leadglass.transfer.association import SMALL, associated, context_of
from leadglass.transfer.query import explained
from leadglass.transfer.target import Endpoint


@dataclass(frozen=True, slots=True)
class Answer:
    """`seconds`: for the association and for the C-ECHO alone. `implementation`: as it names itself."""

    associated: float
    answered: float
    implementation: str
    maximum_length: int
    tls: bool


async def echo(endpoint: Endpoint, deadlines: Deadlines | None = None) -> Answer:
    """Refused or Unreachable, with a sentence, when it is not so."""
    began = perf_counter()
    async with associated(endpoint, [(VERIFICATION, SMALL)], deadlines=deadlines) as link:
        established = perf_counter()
        context = context_of(link, VERIFICATION, "verification")
        command = Command(
            Field.C_ECHO_RQ, message_id=link.next_message_id(), affected_sop_class_uid=VERIFICATION
        )
        message = await link.request(context.id, command)
        answered = perf_counter()
        assert link.answer_pdu is not None
        theirs = link.answer_pdu.user_information
        status = message.command.status or 0
        if status != SUCCESS:
            sentence = explained(Service.GENERAL, status, message.command.error_comment)
            raise Refused(sentence, code=f"status-{status:04x}")
        return Answer(
            established - began,
            answered - established,
            theirs.implementation_version_name or theirs.implementation_class_uid,
            theirs.maximum_length,
            link.peer.tls,
        )
