"""Fuzz requests for storage commitment: references to answer, or a Violation.

The first byte of an input chooses the transfer syntax. Besides the contract on exceptions: what is asked for
is made of legal UIDs, and the report about it can be sent in any syntax and read again.
"""

from __future__ import annotations

import fuzz_dataset
import seeded

from leadglass.archive.commitment import Item, Pending, Report
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, is_valid_uid, transfer_syntax
from leadglass.dicom.writer import encode_dataset
from leadglass.errors import Violation
from leadglass.scp.admission import UNCOMPRESSED
from leadglass.scp.commitment import encode_report, parse_request

CT = "1.2.840.10008.5.1.4.1.1.2"
TRANSACTION = TAG_BY_KEYWORD["TransactionUID"]
REFERENCED = TAG_BY_KEYWORD["ReferencedSOPSequence"]
CLASS = TAG_BY_KEYWORD["ReferencedSOPClassUID"]
INSTANCE = TAG_BY_KEYWORD["ReferencedSOPInstanceUID"]
SEQUENCES = {REFERENCED, TAG_BY_KEYWORD["FailedSOPSequence"]}


def one_input(data: bytes) -> None:
    if not data:
        return
    syntax = UNCOMPRESSED[data[0] % len(UNCOMPRESSED)]
    try:
        transaction, references = parse_request(data[1:], syntax)
    except Violation:
        return
    assert is_valid_uid(transaction) and references
    assert all(map(is_valid_uid, (uid for reference in references for uid in reference)))
    items = [
        Item(sop_class, uid, 0x0112 if number % 2 else None)
        for number, (sop_class, uid) in enumerate(references)
    ]
    pending = Pending(id=1, ae_id=1, transaction_uid=transaction, items=tuple(items), attempts=0)
    for target in UNCOMPRESSED:
        found = parse(encode_report(Report("AE", pending), target), transfer_syntax(target))
        told = [item for tag in SEQUENCES & found.keys() for item in found[tag].value]
        assert len(told) == len(items)


def corpus() -> list[bytes]:
    """Requests about none, one and several, and such as lack something."""
    seeds = []
    for choice, syntax in enumerate(UNCOMPRESSED):
        for number in (0, 1, 3):
            items = tuple(
                [(CLASS, "UI", CT.encode()), (INSTANCE, "UI", f"1.2.{one}\0".encode())]
                for one in range(number)
            )
            elements = [(TRANSACTION, "UI", b"1.2.99"), (REFERENCED, "SQ", items)]
            seeds += [
                bytes([choice]) + encode_dataset(some, transfer_syntax(syntax))
                for some in (elements, elements[1:], elements[:1])
            ]
    return seeds


if __name__ == "__main__":
    seeded.main(
        __doc__, one_input, corpus, (*fuzz_dataset.TOKENS, b"1.2.99\0\0", b"\x08\0\x99\x11", CT.encode())
    )
