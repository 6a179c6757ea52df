"""Query/Retrieve GET as SCP (PS3.4 C.4.3): what is asked for comes back on the same association."""

from __future__ import annotations

from leadglass.access.policy import Action
from leadglass.access.principal import Principal
from leadglass.archive.retrieve import Retrieve
from leadglass.archive.selection import Selection
from leadglass.errors import LeadglassError, LimitExceeded, ProtocolViolation, Unreachable, Violation
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.net.workers import Workers
from leadglass.scp.ahead import routes
from leadglass.scp.session import Session
from leadglass.scp.suboperations import Operation, Sender
from leadglass.scp.unique_keys import MODELS, MOST_BYTES, unique_keys


class Get:
    """The C-GET handler of a listener."""

    def __init__(self, retrieve: Retrieve, workers: Workers) -> None:
        self._retrieve = retrieve
        self._workers = workers

    async def __call__(self, link: Link, message: Message) -> None:
        operation = Operation(link, message)
        try:
            selection = await selected(
                self._retrieve, self._workers, link, message, action=Action.STUDY_RETRIEVE
            )
        except (ProtocolViolation, Unreachable):
            raise  # of the association: there is nobody to answer
        except LeadglassError as error:
            await operation.refuse(error)
            return
        # On this association we are the SCU of Storage where the peer proposed to be its SCP (PS3.7 D.3.3.4).
        contexts = [context for context in link.contexts.values() if context.as_scp]
        operation.remaining = selection.count
        await Sender(operation, self._workers, link, routes(selection.kinds, contexts)).send(selection)
        await operation.finish()


async def selected(
    retrieve: Retrieve,
    workers: Workers,
    link: Link,
    message: Message,
    *,
    action: Action,
    to: Principal | None = None,
) -> Selection:
    """What the identifier asks for and the policy allows. Violation, Denied, Unavailable; see Selector."""
    session: Session = link.session
    sop_class = message.command.affected_sop_class_uid
    assert message.data is not None  # a C-GET-RQ or C-MOVE-RQ without a data set is none
    try:
        identifier = await message.data.read(MOST_BYTES)
    except LimitExceeded:
        await message.data.drain()
        raise
    if sop_class != message.context.abstract_syntax or sop_class not in MODELS[message.command.field]:
        raise Violation("The command does not belong to its presentation context.", code="context")

    def select() -> Selection:
        keys = unique_keys(identifier, sop_class, message.context.transfer_syntax)
        return retrieve.select(session.who, action, keys, session.context(), receiver=to)

    return await workers.run(select)
