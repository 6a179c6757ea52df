"""Verification (PS3.4 Annex A) as SCP: a C-ECHO is answered, and that is all."""

from __future__ import annotations

from leadglass.dimse.status import SUCCESS
from leadglass.net.link import Link
from leadglass.net.stream import Message


async def verify(link: Link, message: Message) -> None:
    await link.send(message.context.id, message.command.respond(SUCCESS))
