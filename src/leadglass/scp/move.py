"""Query/Retrieve MOVE as SCP (PS3.4 C.4.2): what is asked for goes to a known AE that is entitled to it."""

from __future__ import annotations

import structlog

from leadglass.access.policy import Action
from leadglass.archive.peers import Ae, Peers
from leadglass.archive.retrieve import Retrieve
from leadglass.archive.selection import Selection
from leadglass.errors import LeadglassError, ProtocolViolation, Unreachable
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.net.workers import Workers
from leadglass.scp.ahead import routes
from leadglass.scp.dialling import Dial
from leadglass.scp.get import selected
from leadglass.scp.proposals import Proposal, proposals
from leadglass.scp.suboperations import DESTINATION_UNKNOWN, Operation, Originator, Sender


class Move:
    """The C-MOVE handler of a listener."""

    def __init__(self, retrieve: Retrieve, peers: Peers, dial: Dial, workers: Workers) -> None:
        self._retrieve = retrieve
        self._peers = peers
        self._dial = dial
        self._workers = workers
        self._log = structlog.get_logger("leadglass.scp")

    async def __call__(self, link: Link, message: Message) -> None:
        operation = Operation(link, message)
        try:
            destination = await self._workers.run(self._peers.destination, message.command.move_destination)
            if destination is None:
                assert message.data is not None
                await message.data.drain()
                await operation.refuse_with(DESTINATION_UNKNOWN, "Not known as a destination")
                return
            selection = await selected(
                self._retrieve,
                self._workers,
                link,
                message,
                action=Action.STUDY_SEND,
                to=destination.principal,
            )
        except (ProtocolViolation, Unreachable):
            raise  # of the association: there is nobody to answer
        except LeadglassError as error:
            await operation.refuse(error)
            return
        operation.remaining = selection.count
        for proposal in proposals(selection.kinds):
            if operation.is_cancelled:
                break
            await self._send(operation, destination, proposal, selection)
        await operation.finish()

    async def _send(
        self, operation: Operation, destination: Ae, proposal: Proposal, selection: Selection
    ) -> None:
        """One association's share. When there is none, its instances are named as failed."""
        asked = operation.link
        try:
            link = await self._dial(destination, proposal.request(asked.called, destination.title))
        except LeadglassError as error:
            self._log.warning("destination not reached", called=destination.title, code=error.code)
            await Sender(operation, self._workers, asked, {}).send(selection, proposal.kinds)
            return
        contexts = [context for context in link.contexts.values() if context.as_scu]
        ways = routes({kind: selection.kinds[kind] for kind in proposal.kinds}, contexts)
        originator = Originator(asked.calling, operation.message.command.message_id or 0)
        try:
            await Sender(operation, self._workers, link, ways).send(selection, proposal.kinds, originator)
        except BaseException:
            link.abort()
            raise
        await link.release()
