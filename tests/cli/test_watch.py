"""import --watch: finished files go in once, nothing is touched, and it lives through all that folders do."""

from __future__ import annotations

import os
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leadglass.archive.ingest import Ingest
from leadglass.cli import watch as watching
from leadglass.errors import StorageFull

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE", 0.05)
    monkeypatch.setattr(watching, "AGAIN", 0.2)


class Watch:
    """A watch in this process, one look at a time."""

    def __init__(self, work: Any, path: Path, capsys: Any) -> None:
        self.work = work
        self._capsys = capsys
        limits = work.opened.settings.limits
        zips = watching.ZipLimits(members=limits.zip_members, ratio=limits.zip_ratio)
        number = work.services.accounts.department(work.who, None, work.context())
        seen = work.services.watched.open(work.who, work.context(), os.fsencode(path), number)
        self.folder = watching.Folder(
            work, path, seen, watching.Voice(json=False), watching.Stop(), None, zips
        )

    def look(self, times: int = 1) -> str:
        """What was said at these looks."""
        for _ in range(times):
            self.folder.turn()
        said = self._capsys.readouterr()
        return str(said.out + said.err)

    def stored(self) -> int:
        return self.work.services.upkeep.status(self.work.who, self.work.context()).instances  # type: ignore[no-any-return]


@pytest.fixture
def opened_watch(home: Any, inbox: Path, capsys: Any) -> Callable[[], Any]:
    from leadglass.cli.work import at_home

    @contextmanager
    def opened() -> Iterator[Watch]:
        with at_home(home.root) as work:
            yield Watch(work, inbox, capsys)

    return opened


def test_a_finished_file_goes_in_once_and_stays_where_it_is(
    opened_watch: Any, inbox: Path, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_watch() as watch:
        whole = dicom.file(1)
        (inbox / "one.dcm").write_bytes(whole[:200])
        assert watch.look() == ""
        (inbox / "one.dcm").write_bytes(whole)  # it grew: still being written
        assert watch.look() == ""
        assert "1 image stored" in watch.look()
        (inbox / "below").mkdir()
        (inbox / "below" / "two.dcm").write_bytes(dicom.file(2))
        (inbox / ".three.dcm").write_bytes(dicom.file(3))  # hidden: somebody is at it
        (inbox / "DICOMDIR").write_bytes(b"x")
        (inbox / "link.dcm").symlink_to(inbox / "below" / "two.dcm")
        os.mkfifo(inbox / "pipe")
        with zipfile.ZipFile(inbox / "more.zip", "w") as archive:
            archive.writestr("4", dicom.file(4))
            archive.writestr("5", dicom.file(5))
        watch.look(2)
        assert watch.stored() == 4
        assert (inbox / "one.dcm").read_bytes() == whole
        assert watch.look(3) == ""

    with opened_watch() as watch:  # a restart reads nothing again
        monkeypatch.setattr(Ingest, "open", None)
        assert watch.look(3) == ""


def test_what_cannot_be_kept_is_told_once_and_tried_when_it_changes(
    opened_watch: Any, inbox: Path, dicom: Any
) -> None:
    with opened_watch() as watch:
        (inbox / "roentgen-anna.dcm").write_bytes(b"Dear Madam")
        said = watch.look(2)
        assert "1 refused" in said
        assert "anna" not in said  # no terminal: it may be a log
        assert watch.look(3) == ""
    with opened_watch() as watch:
        assert watch.look(3) == ""
        (inbox / "roentgen-anna.dcm").write_bytes(dicom.file())
        assert "1 image stored" in watch.look(2)


def test_the_folder_may_vanish_and_come_back(opened_watch: Any, inbox: Path, dicom: Any) -> None:
    with opened_watch() as watch:
        (inbox / "1.dcm").write_bytes(dicom.file(1))
        watch.look(2)
        away = inbox.with_name("away")
        inbox.rename(away)
        assert "is not there" in watch.look()
        assert watch.look(2) == ""
        inbox.mkdir()  # the place where it is mounted, empty
        assert "is there" in watch.look()
        assert watch.look() == ""
        inbox.rmdir()
        away.rename(inbox)
        (inbox / "2.dcm").write_bytes(dicom.file(2))
        said = watch.look(3)
        assert "1 image stored" in said
        assert "already here" not in said  # what it knew it still knows


def test_a_file_that_cannot_be_read_is_tried_again(
    opened_watch: Any, inbox: Path, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadglass.cli import sources

    opens = sources._open

    def fails(path: Path) -> Any:
        raise OSError(5, "Input/output error")

    with opened_watch() as watch:
        (inbox / "1.dcm").write_bytes(dicom.file(1))
        monkeypatch.setattr(sources, "_open", fails)
        assert "cannot be read" in watch.look(2)
        assert watch.look(2) == ""
        time.sleep(0.25)
        assert watch.look(2) == ""  # tried, and told once
        monkeypatch.setattr(sources, "_open", opens)
        time.sleep(0.25)
        assert "1 image stored" in watch.look(1)


def test_a_zip_that_cannot_be_read_to_its_end_is_tried_again(
    opened_watch: Any, inbox: Path, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadglass.cli import sources

    reads = sources._MemberStream.read

    def fails(stream: Any, size: int) -> bytes:
        raise OSError(5, "Input/output error")

    with opened_watch() as watch:
        with zipfile.ZipFile(inbox / "a.zip", "w") as archive:
            archive.writestr("below/1.dcm", dicom.file(1))
        monkeypatch.setattr(sources._MemberStream, "read", fails)
        assert "cannot be read" in watch.look(2)
        monkeypatch.setattr(sources._MemberStream, "read", reads)
        time.sleep(0.25)
        assert "1 image stored" in watch.look(1)


def test_no_room_aside_keeps_nothing_else_out_and_is_tried_again(
    opened_watch: Any, inbox: Path, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "1.dcm").write_bytes(dicom.file(1))
    with opened_watch() as watch:
        watch.look(2)
    monkeypatch.setenv("LEADGLASS_LIMITS_QUARANTINE_SOURCE_MIB", "1")
    (inbox / "1.dcm").write_bytes(dicom.file(1, pixels=bytes(2 << 20)))
    (inbox / "2.dcm").write_bytes(dicom.file(2))
    with opened_watch() as watch:
        said = watch.look(2)
        assert "1 image stored, 1 refused" in said
        assert "the room for that is used up" in said
        time.sleep(0.25)
        assert watch.look(2) == ""  # tried, and told once
    monkeypatch.delenv("LEADGLASS_LIMITS_QUARANTINE_SOURCE_MIB")
    with opened_watch() as watch:
        assert "1 kept aside" in watch.look(2)


@pytest.mark.usefixtures("deep")
def test_folders_nested_deeper_than_python_may_call(opened_watch: Any, dicom: Any) -> None:
    Path("deep.dcm").write_bytes(dicom.file(1))
    with opened_watch() as watch:
        assert "1 image stored" in watch.look(2)


def test_a_full_disk_is_told_once_and_waited_for(
    opened_watch: Any, inbox: Path, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = Ingest.open

    def full(*_: Any, **__: Any) -> Any:
        raise StorageFull("The disk has no room left for images.")

    with opened_watch() as watch:
        (inbox / "1.dcm").write_bytes(dicom.file(1))
        monkeypatch.setattr(Ingest, "open", full)
        assert "no room" in watch.look(2)
        time.sleep(0.25)
        assert watch.look(2) == ""
        monkeypatch.setattr(Ingest, "open", opens)
        time.sleep(0.25)
        assert "1 image stored" in watch.look()


def test_what_has_gone_is_forgotten(opened_watch: Any, inbox: Path, dicom: Any) -> None:
    with opened_watch() as watch:
        for number in (1, 2):
            (inbox / f"{number}.dcm").write_bytes(dicom.file(number))
        watch.look(2)
        (inbox / "1.dcm").unlink()
        watch.look()
        with watch.work.services.db.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM watched_files").scalar_one() == 1


def test_a_signal_ends_it_and_what_it_told_is_stored(
    home: Any, run: Run, start: Any, inbox: Path, dicom: Any
) -> None:
    (inbox / "roentgen-anna.dcm").write_bytes(dicom.file(1))
    process = start("import", "--watch", inbox, code="import leadglass.cli.watch as w; w.PAUSE = 0.1; ")
    process.until("1 image stored")
    ended = process.stop(signal.SIGTERM)  # SIGINT takes the same way
    assert ended.code == 0
    assert "Stopped." in ended.err
    assert "anna" not in ended.out + ended.err
    assert run("status", "--json").json["instances"] == 1
    assert run("check", "--deep", "--json").json["ok"]


def test_only_folders_outside_of_the_home_are_watched(home: Any, run: Run, inbox: Path) -> None:
    (inbox / "file").write_bytes(b"")
    assert run("import", "--watch", inbox / "file").code == 2
    assert run("import", "--watch", home.root / "objects").code == 2
