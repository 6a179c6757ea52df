"""What we propose to somebody we are to send stored instances to (PS3.8 9.3.2.2, PS3.4 B.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from leadglass.archive.selection import Kind
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from leadglass.dicom.transcode import can_transcode
from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.pdu import AssociateRQ

MOST_CONTEXTS: Final = 128  # their numbers are odd bytes
FALLBACK: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")  # what everybody must take, PS3.5 10.1
MAXIMUM_LENGTH: Final = 1 << 16  # bytes of a PDU we take: responses are small


@dataclass(frozen=True, slots=True)
class Proposal:
    """The presentation contexts of one association, and the kinds of instances that go over it."""

    kinds: frozenset[Kind]
    contexts: tuple[ProposedContext, ...]

    def request(self, calling: str, called: str) -> AssociateRQ:
        return AssociateRQ(
            called=called, calling=calling, contexts=self.contexts, user_information=user_information()
        )


def user_information(**more: object) -> UserInformation:
    return UserInformation(
        MAXIMUM_LENGTH,
        IMPLEMENTATION_CLASS_UID,
        IMPLEMENTATION_VERSION_NAME,
        **more,  # type: ignore[arg-type]
    )


def proposals(kinds: Iterable[Kind]) -> Iterator[Proposal]:
    """As few associations as hold a context for each kind as it is stored, and for each SOP class with
    uncompressed ones another to re-encode into. That one comes first: some (GDCM) take all contexts, and read
    everything in the transfer syntax of the last, which is then the one we send in."""
    taken: list[Kind] = []
    contexts: list[tuple[str, tuple[str, ...]]] = []
    for sop_class, group in groupby(sorted(kinds), key=lambda kind: kind[0]):
        stored = [syntax for _, syntax in group]
        while stored:
            room = max(0, MOST_CONTEXTS - len(contexts) - 1)  # one is for the fallback
            some, stored = stored[:room], stored[room:]
            if some:
                taken += [(sop_class, syntax) for syntax in some]
                if any(can_transcode(syntax, FALLBACK[0]) for syntax in some):
                    contexts.append((sop_class, FALLBACK))
                contexts += [(sop_class, (syntax,)) for syntax in some]
            if stored:
                yield _proposal(taken, contexts)
                taken, contexts = [], []
    if taken:
        yield _proposal(taken, contexts)


def _proposal(kinds: list[Kind], contexts: list[tuple[str, tuple[str, ...]]]) -> Proposal:
    numbered = (
        ProposedContext(2 * place + 1, sop_class, syntaxes)
        for place, (sop_class, syntaxes) in enumerate(contexts)
    )
    return Proposal(frozenset(kinds), tuple(numbered))
