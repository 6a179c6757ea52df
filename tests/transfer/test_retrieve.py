"""C-GET and C-MOVE from pynetdicom: everything comes as it is, and what does not come is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from pacs import FIND, GET, MOVE, Pacs, image
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, EncapsulatedPDFStorage, RLELossless

from leadglass.archive.selection import Keys
from leadglass.dimse.sop_classes import STORAGE
from leadglass.errors import Refused, StorageFull
from leadglass.transfer.association import request
from leadglass.transfer.contexts import BY_MODALITY, COMPRESSED, ROOM, UNCOMPRESSED, all_classes, rounds
from leadglass.transfer.receive import Receiver
from leadglass.transfer.retrieve import Counts, Wanted, get, move
from leadglass.transfer.target import Endpoint, Target, parse_target

CT = str(CTImageStorage)


def endpoint(pacs: Pacs) -> Endpoint:
    return Endpoint(parse_target(pacs.ae), "LEADGLASS")


def compressed(**more: Any) -> Dataset:
    made = image(**more)
    made.file_meta.TransferSyntaxUID = RLELossless
    made.PixelData = encapsulate([bytes(64) + b"\x00\x01"])
    made["PixelData"].is_undefined_length = True
    return made


def document(**more: Any) -> Dataset:
    """Of a kind that no modality of the study hints at."""
    made = image(**more)
    made.SOPClassUID = EncapsulatedPDFStorage
    return made


def received(pacs: Pacs, wanted: Wanted, receiver: Receiver) -> tuple[Counts, list[int]]:
    told: list[int] = []
    counts = asyncio.run(get(endpoint(pacs), wanted, receiver, lambda c: told.append(c.completed)))
    return counts, told


def _held(opened: Any, study: str) -> int:
    from leadglass.index import transfers

    with opened.services.db.read() as connection:
        return transfers.held(connection, study)


def test_a_study(opened: Any, receiver: Receiver) -> None:
    images = [image(1, series, number) for series in (1, 2) for number in range(1, 4)]
    with Pacs([*images, image(2)]).running() as pacs:
        counts, told = received(pacs, Wanted(study="1.2.1"), receiver)
    assert (counts.completed, counts.failed, receiver.received.stored) == (6, 0, 6)
    assert told[-1] == 6
    assert len(pacs.callers) == 2 and pacs.retrievals == 1  # one to find out what it is made of
    assert _held(opened, "1.2.1") == 6 and _held(opened, "1.2.2") == 0


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (Wanted(study="1.2.1", series=("1.2.1.2",)), 3),
        (Wanted(study="1.2.1", series=("1.2.1.1",), instances=("1.2.1.1.1", "1.2.1.1.3")), 2),
        (Wanted(patient_id="P-1"), 6),
        (Wanted(study="1.2.3"), 0),
    ],
)
def test_parts(receiver: Receiver, wanted: Wanted, number: int) -> None:
    images = [image(1, series, number) for series in (1, 2) for number in range(1, 4)]
    with Pacs([*images, image(2)]).running() as pacs:
        received(pacs, wanted, receiver)
    assert receiver.received.stored == number


def test_the_same_again_is_fine(receiver: Receiver) -> None:
    with Pacs([image(1, 1, n) for n in (1, 2)]).running() as pacs:
        received(pacs, Wanted(study="1.2.1"), receiver)
        receiver.received.seen.clear()
        received(pacs, Wanted(study="1.2.1"), receiver)
    assert (receiver.received.stored, receiver.received.duplicates) == (2, 2)


@pytest.mark.parametrize("tells", [True, False])
def test_mixed_kinds_come_as_they_are_stored(opened: Any, receiver: Receiver, tells: bool) -> None:
    images = [image(1, 1, 1), compressed(number=2), document(number=3, series=2, Modality="CT")]
    with Pacs(images, tells=tells).running() as pacs:
        counts, _ = received(pacs, Wanted(study="1.2.1"), receiver)
    assert receiver.received.stored == 3 and counts.failed == 0
    keys = Keys(study_uids=("1.2.1",))
    from leadglass.index import selection

    with opened.services.db.read() as connection:
        rows = list(selection.numbered(connection, keys, [1]))
    assert {(row.sop_class_uid, row.transfer_syntax_uid) for row in rows} == {
        (CT, UNCOMPRESSED[0]),
        (CT, str(RLELossless)),
        (str(EncapsulatedPDFStorage), UNCOMPRESSED[0]),
    }


class Liar(Pacs):
    """Says of its images what nobody could propose."""

    def _row(self, asked: Dataset, members: list[Dataset]) -> Dataset:
        row = super()._row(asked, members)
        if "SOPClassUID" in row:
            wrong = ("no UID", "1.2.03", "1" * 64)
            row["SOPClassUID"].validation_mode = 0
            row["SOPClassUID"]._value = wrong[int(members[0].InstanceNumber) % 3]
            syntaxes = [f"1.2.3.{number}" for number in range(300)]
            row.AvailableTransferSyntaxUID = ["nothing", *syntaxes, str(RLELossless)]
        return row


def test_what_it_says_of_its_images_and_cannot_be_is_as_if_it_said_nothing(receiver: Receiver) -> None:
    with Liar([image(1, 1, number) for number in (1, 2, 3)]).running() as pacs:
        counts, _ = received(pacs, Wanted(study="1.2.1"), receiver)
    assert (counts.failed, receiver.received.stored) == (0, 3)


def test_what_it_cannot_give_out_is_counted(receiver: Receiver) -> None:
    images = [image(1, 1, n) for n in range(1, 5)]
    with Pacs(images, losing={"1.2.1.1.3"}).running(classes=GET) as pacs:
        counts, _ = received(pacs, Wanted(study="1.2.1"), receiver)
        assert pacs.retrievals > 10  # with all other contexts, in vain
    assert (receiver.received.stored, receiver.received.duplicates) == (3, 0)
    assert counts.failed == 1 and counts.failed_uids == ["1.2.1.1.3"]


def test_what_we_cannot_keep_is_counted_and_does_not_keep_the_rest_back(receiver: Receiver) -> None:
    broken = image(1, 1, 2, StudyInstanceUID="1.2.1", SeriesInstanceUID="1.02.3")
    with Pacs([image(1, 1, 1), broken, image(1, 1, 3)]).running() as pacs:
        received(pacs, Wanted(study="1.2.1"), receiver)
        assert pacs.retrievals == 1
    assert (receiver.received.stored, receiver.received.kept_aside) == (2, 1)
    assert "UIDs is missing or illegal" in receiver.received.refused[0][1]


def test_a_full_disk_stops_it_at_once(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StorageFull("The disk has no room left for images.")

    monkeypatch.setattr(receiver.ingest, "open", full)
    with Pacs([image(1, 1, n) for n in range(1, 20)]).running() as pacs:
        with pytest.raises(StorageFull):
            received(pacs, Wanted(study="1.2.1"), receiver)
        assert pacs.retrievals == 1
    assert receiver.received.count == 0


def test_too_large_an_object_is_refused(receiver: Receiver) -> None:
    receiver.largest = 100
    with Pacs([image()]).running() as pacs:
        received(pacs, Wanted(study="1.2.1"), receiver)
    assert receiver.received.stored == 0
    assert "larger than a single object may be" in receiver.received.refused[0][1]


def test_an_archive_without_c_get(receiver: Receiver) -> None:
    with Pacs([image()]).running(classes=(*FIND, *MOVE)) as pacs, pytest.raises(Refused) as refused:
        received(pacs, Wanted(study="1.2.1"), receiver)
    assert refused.value.code == "no-context"


def test_a_destination_it_does_not_know_is_explained() -> None:
    with (
        Pacs([image()]).running() as pacs,
        pytest.raises(Refused, match="does not know the AE title") as refused,
    ):
        asyncio.run(move(endpoint(pacs), Wanted(study="1.2.1"), "NOBODY", lambda _: None))
    assert refused.value.code == "status-a801"


def test_it_sends_to_where_it_is_asked_to() -> None:
    other = Pacs([], title="OTHER")
    with other.running(), Pacs([image(1, 1, n) for n in (1, 2, 3)]).running() as pacs:
        pacs.destinations["OTHER"] = ("127.0.0.1", other.port)
        counts = asyncio.run(move(endpoint(pacs), Wanted(study="1.2.1"), "OTHER", lambda _: None))
    assert (counts.completed, counts.failed) == (3, 0)
    assert sorted(data.SOPInstanceUID for data in other.received) == ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.1.3"]


# --- contexts ---------------------------------------------------------------------------------------------


def all_rounds(kinds: Any = None, modalities: Any = ()) -> Iterator[list[Any]]:
    return rounds(kinds or {}, modalities)


@pytest.mark.parametrize("modalities", [(), ("CT",), ("CT", "MR", "US", "SR", "XA", "MG", "OT")])
def test_no_association_has_more_contexts_than_numbers(modalities: tuple[str, ...]) -> None:
    several = list(all_rounds(modalities=modalities))
    assert all(0 < len(contexts) <= ROOM for contexts in several)


@pytest.mark.parametrize("modalities", [(), ("CT", "MR", "US", "SR", "XA", "MG", "OT")])
def test_no_request_is_longer_than_others_take(modalities: tuple[str, ...]) -> None:
    where = Endpoint(Target("PACS", "localhost", 104), "LEADGLASS")
    for contexts in all_rounds(modalities=modalities):
        asked = request(where, [(CT, UNCOMPRESSED), *contexts], as_scp=[uid for uid, _ in contexts])
        assert len(asked.encode()) < 64 << 10


def test_nothing_is_proposed_twice() -> None:
    pairs = [
        (uid, one)
        for contexts in all_rounds(modalities=["CT", "SR"])
        for uid, many in contexts
        for one in many
    ]
    assert len(pairs) == len(set(pairs))


def test_every_class_gets_its_turn() -> None:
    proposed = {uid for contexts in islice(all_rounds(), 3) for uid, _ in contexts}
    assert proposed >= set(all_classes())


def test_what_is_likely_goes_first_each_syntax_by_itself() -> None:
    first = next(all_rounds(modalities=["CT"]))
    own = [tuple(many) for uid, many in first if uid == CT]
    assert own == [UNCOMPRESSED, *((uid,) for uid in COMPRESSED)]


def test_what_is_known_is_proposed_as_it_is_stored() -> None:
    private = "1.3.46.670589.5.0.1"
    kinds = {CT: frozenset({UNCOMPRESSED[1], str(RLELossless)}), private: frozenset({UNCOMPRESSED[0]})}
    first = next(all_rounds(kinds))
    assert first[0] == (CT, (UNCOMPRESSED[1], UNCOMPRESSED[0], UNCOMPRESSED[2]))
    assert first[1] == (CT, (str(RLELossless),))
    assert first[2] == (private, UNCOMPRESSED)


def test_the_table_of_modalities_names_storage_classes() -> None:
    assert {uid for uids in BY_MODALITY.values() for uid in uids} <= set(STORAGE)
