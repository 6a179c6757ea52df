"""leadglass send: studies of the archive, or files, to another application entity."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.reach import (
    AeArgument,
    CallingOption,
    CaOption,
    CertificateOption,
    KeyOption,
    PlaintextOption,
    TlsOption,
    reach,
    reached,
    run,
)
from leadglass.cli.work import AsOption, HomeOption, JsonOption, Work
from leadglass.errors import Denied, LeadglassError, NotFound, Violation

if TYPE_CHECKING:
    from leadglass.archive.selection import Keys, Selection
    from leadglass.cli.sources import Found
    from leadglass.transfer.send import Outgoing, Sender, Sent
    from leadglass.transfer.target import Endpoint

BATCH = 64  # files that are open at once


def send(
    ae: AeArgument,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH...", help="Files, folders, zips; or else --study.", show_default=False),
    ] = None,
    *,
    study: Annotated[
        list[str] | None,
        typer.Option("--study", metavar="UID", help="A study of the archive; may be given several times."),
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option("--series", metavar="UID", help="Only these series.")
    ] = None,
    instance: Annotated[
        list[str] | None, typer.Option("--instance", metavar="UID", help="Only these objects.")
    ] = None,
    calling: CallingOption = None,
    tls: TlsOption = False,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    ca: CaOption = None,
    plaintext: PlaintextOption = False,
    home: HomeOption = None,
    as_user: AsOption = None,
    json: JsonOption = False,
) -> None:
    """Send studies of the archive, or files, to another AE (C-STORE). Exit status 1 when one did not go."""
    uids = [*(study or []), *(series or []), *(instance or [])]
    if bool(paths) == bool(uids):
        raise typer.BadParameter("Say which files, or which --study.", param_hint="PATH")
    options = reach(
        ae, calling=calling, tls=tls, certificate=certificate, key=key, ca=ca, plaintext=plaintext
    )
    with reached(options, home, as_user, at_home_anyway=bool(uids)) as (endpoint, work):
        began = monotonic()
        if paths:
            sent, stopped = _send_files(endpoint, paths, json)
        else:
            assert work is not None
            keys = _keys(study, series, instance)
            sent, stopped = _send_stored(endpoint, work, keys, json)
    _report(sent, stopped, monotonic() - began, json)


def _keys(study: list[str] | None, series: list[str] | None, instance: list[str] | None) -> Keys:
    from leadglass.archive.selection import Keys
    from leadglass.dicom.dictionary import is_valid_uid

    for option, uids in (("--study", study), ("--series", series), ("--instance", instance)):
        if not all(map(is_valid_uid, uids or [])):
            raise typer.BadParameter("This is no UID.", param_hint=option)
    return Keys(
        study_uids=tuple(study or ()), series_uids=tuple(series or ()), instance_uids=tuple(instance or ())
    )


def _send_stored(
    endpoint: Endpoint, work: Work, keys: Keys, quiet: bool
) -> tuple[Sent, LeadglassError | None]:
    from leadglass.transfer.send import Sender, Stored

    selection = _selected(endpoint, work, keys)
    with show.progress(f"To {endpoint.target}", quiet=quiet) as bar:
        sender = Sender(endpoint, lambda sent: bar(sent.sent + sent.failed, selection.count))
        return sender.sent, _stopped(lambda: run(sender.send(Stored(selection))))


def _selected(endpoint: Endpoint, work: Work, keys: Keys) -> Selection:
    """What may be sent there: the policy decides, and who it goes to is on the record."""
    from leadglass.access.policy import Action
    from leadglass.archive.doorkeeper import ABSENT

    known = work.services.peers.destination(endpoint.target.title) if endpoint.is_known else None
    if endpoint.is_known and known is None:
        raise Denied("A receive-only AE is sent nothing out of the archive.", code="receive-only")
    try:
        selection = work.services.retrieve.select(
            work.who,
            Action.STUDY_SEND,
            keys,
            work.context(),
            receiver=known.principal if known else None,
            to=str(endpoint.target),
        )
    except Denied as error:
        if work.who is not work.operator:
            raise
        raise Denied(
            "A study of the archive goes out in the name of somebody with the right to send it: --as USER.",
            code=error.code,
        ) from None
    if not selection.count:
        raise NotFound(ABSENT)
    return selection


def _send_files(endpoint: Endpoint, paths: list[Path], quiet: bool) -> tuple[Sent, LeadglassError | None]:
    from leadglass.cli.sources import ZipLimits, find
    from leadglass.config import Limits
    from leadglass.transfer.send import Sender

    limits = Limits()
    found = find(paths, ZipLimits(members=limits.zip_members, ratio=limits.zip_ratio))
    with show.progress(f"To {endpoint.target}", quiet=quiet) as bar:
        sender = Sender(endpoint, lambda sent: bar(sent.sent + sent.failed, None))
        return sender.sent, _stopped(lambda: run(_in_batches(sender, found)))


async def _in_batches(sender: Sender, found: Iterator[Found]) -> None:
    """So many files at a time as may be open: their heads say which contexts to propose."""
    from leadglass.transfer.send import Files

    while batch := await asyncio.to_thread(lambda: list(islice(found, BATCH))):
        files = Files(await asyncio.to_thread(_heads, sender, batch))
        try:
            await sender.send(files)
        finally:
            files.close()


def _heads(sender: Sender, batch: list[Found]) -> list[Outgoing]:
    from leadglass.cli.sources import Refused
    from leadglass.transfer.files import outgoing_file

    heads = []
    for one in batch:
        try:
            if isinstance(one, Refused):
                sender.sent.fail(one.name, one.sentence)
            else:
                heads.append(outgoing_file(one.name, one.open))
        except Violation as error:
            sender.sent.fail(one.name, str(error))
        except OSError as error:
            sender.sent.fail(one.name, f"It cannot be read: {error.strerror}.")
    return heads


def _stopped(work: Callable[[], None]) -> LeadglassError | None:
    """What ended it before its end: what was sent until then is sent."""
    try:
        work()
    except LeadglassError as error:
        return error
    return None


def _report(sent: Sent, stopped: LeadglassError | None, seconds: float, json: bool) -> None:
    if json:
        show.as_json(_as_json(sent, stopped, seconds))
    else:
        if sent.troubles:
            show.table(("Object", "What is the matter"), sent.troubles)
        counts = (
            f"{show.count(sent.sent, 'image')} sent",
            f"{sent.warnings:,} with a warning" if sent.warnings else "",
            f"{sent.failed:,} not sent" if sent.failed else "",
        )
        rate = f" ({show.size(sent.bytes)} in {seconds:.1f} s)" if sent.bytes else ""
        show.out().print(f"{', '.join(filter(None, counts))}{rate}.", soft_wrap=True)
    if stopped is not None:
        show.complain(str(stopped))
    if stopped is not None or sent.failed:
        raise typer.Exit(1)


def _as_json(sent: Sent, stopped: LeadglassError | None, seconds: float) -> dict[str, Any]:
    return {
        "sent": sent.sent,
        "warnings": sent.warnings,
        "failed": sent.failed,
        "bytes": sent.bytes,
        "seconds": round(seconds, 3),
        "stopped": str(stopped) if stopped else None,
        "troubles": [{"object": name, "reason": sentence} for name, sentence in sent.troubles],
    }
