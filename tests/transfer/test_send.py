"""C-STORE to pynetdicom: files and stored studies, byte for byte, and what the other side says to them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pacs import Pacs, image
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from leadglass.errors import IllegalIdentity, LeadglassError, NotDicom, Refused, Tampered, Unreachable
from leadglass.transfer.files import outgoing_file
from leadglass.transfer.send import Files, Outgoing, Sender, proposals, route
from leadglass.transfer.target import Endpoint, parse_target
from leadglass.ul.negotiation import AcceptedContext

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"


def written(data: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    out = io.BytesIO()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.TransferSyntaxUID = syntax
    dcmwrite(out, data, enforce_file_format=True, **_encoding(syntax))
    return out.getvalue()


def _encoding(syntax: str) -> dict[str, bool]:
    if syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian):
        return {
            "implicit_vr": syntax == ImplicitVRLittleEndian,
            "little_endian": syntax != ExplicitVRBigEndian,
        }
    return {}


def file(content: bytes, name: str = "a.dcm") -> Outgoing:
    return outgoing_file(name, lambda: io.BytesIO(content))


def sent(pacs: Pacs, *files: Outgoing, **more: Any) -> Sender:
    sender = Sender(Endpoint(parse_target(pacs.ae), "LEADGLASS"), lambda _: None)
    asyncio.run(sender.send(Files(list(files))))
    return sender


def test_files_arrive_as_they_are() -> None:
    originals = [image(1, 1, n) for n in range(1, 6)]
    with Pacs([]).running() as pacs:
        sender = sent(pacs, *(file(written(each)) for each in originals))
    assert (sender.sent.sent, sender.sent.failed) == (5, 0)
    for each, arrived in zip(originals, pacs.received, strict=True):
        arrived.file_meta = each.file_meta
        assert arrived == each


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian])
def test_an_uncompressed_file_is_re_encoded_when_it_must_be(syntax: str) -> None:
    """This PACS takes little endian only."""
    original = image()
    with Pacs([]).running() as pacs:
        sender = sent(pacs, file(written(original, syntax)))
    assert sender.sent.sent == 1
    assert pacs.received[0].PixelData == original.PixelData
    assert pacs.received[0].Rows == 8


def test_a_compressed_one_is_not_and_that_is_said() -> None:
    jpeg, rle = image(number=1), image(number=2)
    with Pacs([]).running() as pacs:
        sender = sent(
            pacs, file(_claimed(jpeg, JPEGBaseline8Bit), "jpeg"), file(_claimed(rle, RLELossless), "rle")
        )
    assert (sender.sent.sent, sender.sent.failed) == (1, 1)
    assert sender.sent.troubles == [("jpeg", "The other side does not take it in JPEG Baseline (Process 1).")]


def _claimed(data: Dataset, syntax: str) -> bytes:
    from pydicom.encaps import encapsulate

    data.PixelData = encapsulate([bytes(66)])
    data["PixelData"].is_undefined_length = True
    return written(data, syntax)


def test_a_kind_it_does_not_take_is_said() -> None:
    private = image()
    private.SOPClassUID = "1.2.3.4.5"
    with Pacs([]).running() as pacs:
        sender = sent(pacs, file(written(private), "x"), file(written(image(2)), "y"))
    assert sender.sent.sent == 1
    assert sender.sent.troubles == [("x", "The other side does not take 1.2.3.4.5.")]


@pytest.mark.parametrize(
    ("status", "outcome", "said"),
    [
        (0xB000, (1, 1, 0), "changed some values"),
        (0xA900, (0, 0, 1), "not the kind of object"),
        (0x0124, (0, 0, 1), "does not allow us"),
    ],
)
def test_statuses_are_explained(status: int, outcome: tuple[int, int, int], said: str) -> None:
    with Pacs([], store_status=status).running() as pacs:
        sender = sent(pacs, file(written(image()), "x"))
    assert (sender.sent.sent, sender.sent.warnings, sender.sent.failed) == outcome
    assert said in sender.sent.troubles[0][1] and f"{status:04X}h" in sender.sent.troubles[0][1]


def test_an_archive_that_is_full_is_not_asked_for_ever() -> None:
    with Pacs([], store_status=0xA700).running() as pacs:
        sender = Sender(Endpoint(parse_target(pacs.ae), "LEADGLASS"), lambda _: None)
        with pytest.raises(Refused, match="no room"):
            asyncio.run(sender.send(Files([file(written(image(1, 1, n))) for n in range(1, 50)])))
    assert sender.sent.failed == 3


def test_an_object_that_breaks_in_the_middle_does_not_keep_the_others_back() -> None:
    def breaks() -> Iterator[bytes]:
        yield written(image())[400:]
        raise Tampered("A stored object failed its authentication.")

    def fails_at_once() -> Iterator[bytes]:
        raise Tampered("A stored object failed its authentication.")
        yield b""

    good = [file(written(image(1, 1, n)), str(n)) for n in (1, 2)]
    kind = good[0].kind
    broken = Outgoing("broken", kind, "1.2.3", breaks)
    unopened = Outgoing("unopened", kind, "1.2.4", fails_at_once)
    with Pacs([]).running() as pacs:
        sender = sent(pacs, good[0], broken, unopened, good[1])
    assert (sender.sent.sent, sender.sent.failed) == (2, 2)
    assert [name for name, _ in sender.sent.troubles] == ["broken", "unopened"]
    assert [data.SOPInstanceUID for data in pacs.received] == ["1.2.1.1.1", "1.2.1.1.2"]


def test_an_association_that_goes_away_ends_it() -> None:
    with Pacs([]).running() as pacs:
        pass
    sender = Sender(Endpoint(parse_target(pacs.ae), "LEADGLASS"), lambda _: None)
    with pytest.raises(Unreachable):
        asyncio.run(sender.send(Files([file(written(image()))])))


def test_the_head_says_what_a_file_is(tmp_path: Path) -> None:
    content = written(image(3, 2, 1), ImplicitVRLittleEndian)
    made = file(content)
    assert made.kind == (CT, str(ImplicitVRLittleEndian))
    assert made.sop_instance_uid == "1.2.3.2.1"
    assert made.data_set is not None
    back = b"".join(made.data_set())
    assert content.endswith(back)
    assert dcmread(io.BytesIO(content)).file_meta.FileMetaInformationGroupLength + 144 == len(content) - len(
        back
    )


def test_the_data_set_goes_before_its_envelope() -> None:
    data = image()
    content = written(data).replace(b"1.2.1.1.1\0", b"1.2.9.9.9\0", 1)  # the File Meta Information's
    assert file(content).sop_instance_uid == "1.2.1.1.1"


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", NotDicom), (b"%PDF-1.4" + bytes(200), NotDicom), (bytes(128) + b"DICM", LeadglassError)],
)
def test_what_is_no_file_to_send(content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        file(content)


def test_a_file_without_a_legal_identity_is_not_sent() -> None:
    data = image()
    data.SOPInstanceUID = "1.02"
    with pytest.raises(IllegalIdentity):
        file(written(data))


# --- contexts ---------------------------------------------------------------------------------------------


def test_each_kind_as_it_is_and_one_to_re_encode_into() -> None:
    (contexts,) = proposals([(CT, RLELossless), (CT, ImplicitVRLittleEndian), (MR, RLELossless)])
    assert [(uid, tuple(many)) for uid, many in contexts] == [
        (CT, (ImplicitVRLittleEndian,)),
        (CT, (RLELossless,)),
        (CT, (ExplicitVRLittleEndian, ImplicitVRLittleEndian)),
        (MR, (RLELossless,)),
    ]


def test_more_kinds_than_contexts_take_more_associations() -> None:
    kinds = [(f"1.2.{n}", syntax) for n in range(100) for syntax in (RLELossless, JPEGBaseline8Bit)]
    several = list(proposals(kinds))
    assert len(several) == 2 and all(len(contexts) <= 128 for contexts in several)
    assert {(uid, many[0]) for contexts in several for uid, many in contexts} == set(kinds)


def test_the_context_of_its_own_syntax_goes_first() -> None:
    contexts = {
        1: AcceptedContext(1, CT, ExplicitVRLittleEndian),
        3: AcceptedContext(3, CT, ImplicitVRLittleEndian),
        5: AcceptedContext(5, MR, RLELossless),
    }
    assert route((CT, ImplicitVRLittleEndian), contexts) == contexts[3]
    assert route((CT, ExplicitVRBigEndian), contexts) == contexts[1]
    assert route((CT, RLELossless), contexts) is None
    assert route((MR, RLELossless), contexts) == contexts[5]
