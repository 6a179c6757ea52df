"""Is what came in what is here already, encoded in another way, or as it was delivered?

Programs that pass an object on write its lengths anew: it is another run of bytes then, and the same object.
What was delivered with the identity that people gave it comes back with that identity, and is the same too.
That is looked at only where two meet under one SOP Instance UID, and not in the transaction that finds out:
all are read, decrypted and walked for it, within the bounds of any parsing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from hashlib import sha256

from leadglass.archive.corrected import Corrected
from leadglass.archive.objects import Objects, source
from leadglass.dicom.dictionary import TransferSyntax, transfer_syntax
from leadglass.dicom.elements import Limits
from leadglass.dicom.transcode import canonical
from leadglass.errors import LeadglassError
from leadglass.index.fitting import Known
from leadglass.store.blobs import BlobReader


class Sameness(StrEnum):
    RECODED = "recoded"  # the values that are here, encoded in another way
    RETURNED = "returned"  # what was made of them when they were delivered


def sameness(
    objects: Objects,
    known: Known,
    incoming: Callable[[], BlobReader],
    limits: Limits,
    delivered: Sequence[Corrected] = (),
) -> Sameness | None:
    """How what `incoming` opens, of the same transfer syntax, is the instance that is `known`; `delivered`:
    all that its study was corrected to. None in any doubt: when that is not here any more, or one of them
    cannot be read."""
    syntax = transfer_syntax(known.transfer_syntax_uid)
    try:
        for located, opener in objects.page([known.instance_id]):
            if located.sealed.digest != known.digest:
                continue
            here = _digest(opener, syntax, limits)
            came = _digest(incoming, syntax, limits)
            if here == came:
                return Sameness.RECODED
            if any(_digest(opener, syntax, limits, each) == came for each in delivered):
                return Sameness.RETURNED
    except LeadglassError:
        pass
    return None


def _digest(
    opener: Callable[[], BlobReader],
    syntax: TransferSyntax,
    limits: Limits,
    corrected: Corrected | None = None,
) -> bytes:
    digest = sha256()
    with opener() as reader:
        kept = source(reader, limits)
        left = kept.chunks(kept.offset)
        if corrected is not None:
            left = corrected.delivered(kept, syntax, limits).chunks
        for chunk in canonical(left, syntax, limits):
            digest.update(chunk)
    return digest.digest()
