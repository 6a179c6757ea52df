"""leadglass export: its options, its progress and its report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.work import AsOption, HomeOption, JsonOption, Work, at_home

if TYPE_CHECKING:
    from leadglass.archive.export import Report

NICENESS = 19  # a server beside us stays quick
MOST_SHOWN = 200
_UNSEALED = "These files are sealed no more: whoever can read {} sees the patients in them."
_LACKING = "There is no such study, or it is not yours to export: {}"


def export(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[STUDY_UID]... FOLDER", help="Which studies, and where to.", show_default=False
        ),
    ],
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every study.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read again what is there already; write again what was altered.")
    ] = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Write studies as plain DICOM files with a DICOMDIR, each read back. Goes on where it was stopped. Exit
    status 1 when anything is missing from the folder."""
    *uids, folder = words
    _require_sense(uids, everything)
    os.nice(NICENESS)
    with at_home(home, as_user) as work:
        began = monotonic()
        report = _run(work, None if everything else uids, Path(folder), verify=verify, quiet=json)
        seconds = monotonic() - began
    if json:
        show.as_json(_as_json(report, seconds))
    else:
        _show(report, folder, seconds, everything=everything)
    if report.stopped:
        show.complain(f"{report.stopped} The same command goes on from there.")
    if report.interrupted:
        show.complain("Stopped on request. The same command goes on from there.")
    if not report.clean:
        raise typer.Exit(1)


def _require_sense(uids: list[str], everything: bool) -> None:
    from leadglass.dicom.dictionary import is_valid_uid

    if everything and uids:
        raise typer.BadParameter("Either --all or the studies that are meant.", param_hint="STUDY_UID")
    if not everything and not uids:
        raise typer.BadParameter("Say which studies by their UIDs, or --all.", param_hint="STUDY_UID")
    if wrong := [uid for uid in uids if not is_valid_uid(uid)]:
        raise typer.BadParameter(f"{show.printable(wrong[0])} is no UID.", param_hint="STUDY_UID")


def _run(work: Work, uids: list[str] | None, target: Path, *, verify: bool, quiet: bool) -> Report:
    from leadglass.archive.export_folder import ExportFolder
    from leadglass.dicom.elements import Limits

    home = work.opened.home
    if is_within(target, home.root):
        raise typer.BadParameter("The home itself is no place for files in the clear.", param_hint="FOLDER")
    export = work.services.export
    export.require(work.who, work.context())
    with closing(ExportFolder(target.absolute(), home.id, Limits())) as folder:
        scope = export.scope(work.who, work.context(), uids, folder.studies if uids else ())
        with _progress(scope.instances, quiet=quiet) as tick:
            return export.run(work.who, work.context, scope, folder, tick, verify=verify)


def is_within(target: Path, folder: Path) -> bool:
    """By whatever name, and by whatever mount: `target` need not exist yet."""
    whole, found = target.resolve(), False
    for each in (whole, *whole.parents):
        with suppress(OSError):
            found = found or each.samefile(folder)
    return found


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Callable[[Report], None]]:
    with show.progress("Exporting images", quiet=quiet) as bar:
        yield lambda report: bar(report.done, total)


def _as_json(report: Report, seconds: float) -> dict[str, Any]:
    found = asdict(report) | {"seconds": round(seconds, 3)}
    found["stopped"] = report.stopped or None
    return found


def _show(report: Report, folder: str, seconds: float, *, everything: bool) -> None:
    if report.failed:
        rows = [(each.uid, each.sentence) for each in report.failed[:MOST_SHOWN]]
        show.table(("SOP Instance UID", "Why it is not in the folder"), rows)
        show.out().print()
    for uid in report.lacking:
        show.complain(_LACKING.format(uid))
    for sentence in _sentences(report, seconds):
        show.out().print(sentence, soft_wrap=True)
    if everything:
        show.out().print(_not_in_it(report), soft_wrap=True)
    if report.done:
        show.out().print(_UNSEALED.format(show.printable(folder)), soft_wrap=True)


def _not_in_it(report: Report) -> str:
    aside = f"{show.count(report.kept_aside, 'object')} kept aside; " if report.kept_aside else ""
    return f"Not in it: {aside}the access record (leadglass log export), accounts, devices and settings."


def _sentences(report: Report, seconds: float) -> Iterator[str]:
    same = " and as written" if report.verified else ""
    there = f", {report.there:,} there already{same}" if report.there else ""
    failed = f", {report.failures:,} failed" if report.failures else ""
    studies = show.count(report.studies, "study", "studies")
    written = show.count(report.written, "image")
    yield f"{studies}: {written} written ({show.size(report.bytes)} in {seconds:.1f} s){there}{failed}."
    if report.agree:
        agree = show.count(report.agree, "image agrees", "images agree")
        yield f"{agree} with the digest taken when they were received."
    if report.corrected:
        yield f"{show.count(report.corrected, 'image')} left with a corrected identity: read back as written."
    if report.again:
        yield f"{show.count(report.again, 'image')} of those were altered or gone since, and written again."
    if report.left:
        left = show.count(report.left, "file of an earlier run is", "files of an earlier run are")
        yield f"{left} of images no longer here, or not yours: there still, and not in the DICOMDIR."
    if report.lost:
        lost = show.count(report.lost, "image of these studies is", "images of these studies are")
        yield f"{lost} lost on the archive's disk, and not in the folder."
    if report.in_directory:
        yield f"The DICOMDIR names {show.count(report.in_directory, 'image')}."
    elif report.in_directory is None and not (report.stopped or report.interrupted):
        yield "There is no DICOMDIR: it cannot name so many. Export the studies in several folders."
