"""Nothing is told that is not durable, and what failed leaves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

import pytest

from leadglass.access.principal import Role
from leadglass.archive.ingest import Kind
from leadglass.errors import StorageFailed, StorageFull


def test_without_an_entry_nothing_is_stored(clinic: Any, dicom: Any, mute: Callable[[], None]) -> None:
    mute()
    with pytest.raises(StorageFull):
        clinic.ingest([dicom.file()])
    assert clinic.scalar("SELECT count(*) FROM instances") == 0
    assert clinic.blobs() == []


def test_a_transaction_that_fails_before_the_disk_is_done_is_waited_for_by_nobody(
    clinic: Any, dicom: Any, mute: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer may be done with it before its sender's thread goes on."""
    write, told = clinic.services.db.write, []

    def failed_meanwhile(*given: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = write(*given, **options)
        wait((future,), 30)
        return future

    def take_in() -> None:
        with pytest.raises(StorageFull):
            clinic.ingest([dicom.file()])
        told.append(True)

    mute()
    monkeypatch.setattr(clinic.services.db, "write", failed_meanwhile)
    sender = threading.Thread(target=take_in, daemon=True)
    sender.start()
    sender.join(30)
    assert told
    assert clinic.blobs() == []


def test_directories_are_synced_before_the_commit_or_nothing_is_kept(
    clinic: Any, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageFailed("The disk refused.")

    monkeypatch.setattr(clinic.services.ingest.blobs, "sync_directories", fail)
    with pytest.raises(StorageFailed):
        clinic.ingest([dicom.file()])
    assert clinic.scalar("SELECT count(*) FROM instances") == 0


def test_many_at_once_make_one_study(clinic: Any, dicom: Any) -> None:
    futures = []
    for number in range(1, 31):
        incoming = clinic.services.ingest.open(
            clinic.people[Role.TECHNOLOGIST], clinic.own, "stow", clinic.context()
        )
        incoming.write(dicom.file(number))
        futures.append(incoming.finish())
    assert {future.result(30).kind for future in futures} == {Kind.STORED}
    assert clinic.scalar("SELECT instance_count FROM studies") == 30
    assert len(clinic.entries("object.store")) == 30
