"""Is what came in what is here already, encoded in another way?

Programs that pass an object on write its lengths anew: it is another run of bytes then, and the same object.
That is looked at only where two meet under one SOP Instance UID, and not in the transaction that finds it
out: both are read, decrypted and walked for it, within the bounds of any parsing.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from leadglass.archive.objects import Objects, data_set
from leadglass.dicom.dictionary import TransferSyntax, transfer_syntax
from leadglass.dicom.elements import Limits
from leadglass.dicom.transcode import canonical
from leadglass.errors import LeadglassError
from leadglass.index.fitting import Known
from leadglass.store.blobs import BlobReader


def is_same(objects: Objects, known: Known, incoming: Callable[[], BlobReader], limits: Limits) -> bool:
    """Whether what `incoming` opens, of the same transfer syntax, holds the values of the instance that is
    `known`. False in any doubt: when that is not here any more, or one of the two cannot be read."""
    syntax = transfer_syntax(known.transfer_syntax_uid)
    try:
        for located, opener in objects.page([known.instance_id]):
            if located.sealed.digest == known.digest:
                return _digest(opener, syntax, limits) == _digest(incoming, syntax, limits)
    except LeadglassError:
        pass
    return False


def _digest(opener: Callable[[], BlobReader], syntax: TransferSyntax, limits: Limits) -> bytes:
    digest = sha256()
    with opener() as reader:
        for chunk in canonical(data_set(reader.chunks(), limits), syntax, limits):
            digest.update(chunk)
    return digest.digest()
