"""The disk that an export goes to is full, or loses what was not made durable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fault_disk import loop_disk, small_disk
from fault_home import OPERATOR, Site, context, files

from leadglass.archive.export_crew import Crew
from leadglass.archive.export_folder import ExportFolder
from leadglass.archive.export_manifest import MANIFEST
from leadglass.dicom.elements import Limits

OBJECTS = files(24, per_study=3, size=200_000)


def export(site: Site, out: Path, **options: Any) -> Any:
    with site.open() as opened:
        folder = ExportFolder(out, opened.home.id, Limits())
        try:
            scope = opened.services.export.scope(OPERATOR, context(), None)
            return opened.services.export.run(OPERATOR, context, scope, folder, lambda _: None, **options)
        finally:
            folder.close()


def test_a_full_disk_keeps_what_was_written_and_the_next_goes_on(site: Site, tmp_path: Path) -> None:
    site.store(OBJECTS)
    with small_disk(tmp_path / "small", 8) as disk:
        ballast, out = disk / "ballast", disk / "out"
        ballast.write_bytes(bytes(6 << 20))
        stopped = export(site, out)
        assert "No space left" in stopped.stopped
        assert not stopped.clean and stopped.in_directory is None
        assert len(list(out.glob("T*/S*/I*"))) == stopped.written > 0  # nothing half, nothing for nothing
        ballast.unlink()
        report = export(site, out)
        assert (report.clean, report.there, report.there + report.written) == (True, stopped.written, 24)


def test_what_counts_survives_a_power_cut(site: Site, tmp_path: Path, monkeypatch: Any) -> None:
    """Cut right behind the first groups: what the manifest has is there, byte for byte."""
    monkeypatch.setattr("leadglass.archive.export_crew.FILES", 5)
    site.store(OBJECTS)
    settled = Crew._turn
    with loop_disk(tmp_path, 24) as disk:
        out = disk.folder / "out"
        turns = []

        def cut(crew: Any) -> None:
            settled(crew)
            turns.append(crew)
            if len(turns) == 3:  # two groups are in the manifest
                disk.cut()

        with monkeypatch.context() as patch:
            patch.setattr(Crew, "_turn", cut)
            stopped = export(site, out)
        assert stopped.stopped
        disk.unmount()
        disk.mount()
        assert len((out / MANIFEST).read_bytes().splitlines()) >= 11
        report = export(site, out, verify=True)
        assert (report.clean, report.again, report.there + report.written) == (True, 0, 24)
        assert report.there >= 10
