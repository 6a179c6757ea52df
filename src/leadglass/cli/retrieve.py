"""leadglass retrieve: from another archive into this one."""

from __future__ import annotations

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
from leadglass.errors import LeadglassError, Unavailable, Violation

if TYPE_CHECKING:
    from leadglass.transfer.pace import Pace
    from leadglass.transfer.receive import Received, Receiver
    from leadglass.transfer.retrieve import Counts, Wanted
    from leadglass.transfer.target import Endpoint

THREADS = 4
_SAFE = "What it counts as stored is safe."
_ADVICE = {"no-context": "Try --move, if it knows this archive and may send to it."}

DepartmentOption = Annotated[
    str | None,
    typer.Option("--department", metavar="D", help="To which the images belong; else the default one."),
]
RateOption = Annotated[
    str | None,
    typer.Option("--rate", metavar="RATE", help="No faster than 20 (images a second) or 5MB (a second)."),
]
MoveOption = Annotated[
    bool,
    typer.Option("--move", help="By C-MOVE: the other side sends to this home's server, which must run."),
]


def retrieve(
    ae: AeArgument,
    *,
    study: Annotated[
        list[str] | None, typer.Option("--study", metavar="UID", help="A study; may be given several times.")
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option("--series", metavar="UID", help="Only these series of the one study.")
    ] = None,
    instance: Annotated[
        list[str] | None,
        typer.Option("--instance", metavar="UID", help="Only these objects of the one series."),
    ] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="Everything of this patient.")
    ] = None,
    move: MoveOption = False,
    department: DepartmentOption = None,
    rate: RateOption = None,
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
    """Bring studies in from another archive (C-GET, or C-MOVE). Exit status 1 when something is missing."""
    wanted = _wanted(patient, study or [], series or [], instance or [])
    pace = pace_of(rate)
    options = reach(
        ae, calling=calling, tls=tls, certificate=certificate, key=key, ca=ca, plaintext=plaintext
    )
    with reached(options, home, as_user, at_home_anyway=True) as (endpoint, work):
        assert work is not None
        began = monotonic()
        retrieval = Retrieval(work, endpoint, department, pace, quiet=json)
        retrieval.bring(wanted, by_move=move)
        seconds = monotonic() - began
    if json:
        show.as_json(retrieval.as_json(seconds))
    else:
        retrieval.show(seconds)
    if retrieval.stopped is not None:
        show.complain(f"{retrieval.stopped} {_ADVICE.get(retrieval.stopped.code, _SAFE)}")
    if not retrieval.clean:
        raise typer.Exit(1)


def _wanted(patient: str | None, studies: list[str], series: list[str], instances: list[str]) -> list[Wanted]:
    """What to ask for, one after the other. Wrong use when the parts do not make one question."""
    from leadglass.dicom.dictionary import is_valid_uid
    from leadglass.transfer.retrieve import Wanted

    for option, uids in (("--study", studies), ("--series", series), ("--instance", instances)):
        if not all(map(is_valid_uid, uids)):
            raise typer.BadParameter("This is no UID.", param_hint=option)
    if bool(patient) == bool(studies):
        raise typer.BadParameter("Say which --study, or which --patient.", param_hint="--study")
    if patient:
        if series or instances:
            raise typer.BadParameter("A series belongs to a --study.", param_hint="--series")
        return [Wanted(patient_id=patient)]
    if (series and len(studies) > 1) or (instances and len(series) != 1):
        raise typer.BadParameter("Series are of one study, objects of one series.", param_hint="--series")
    return [Wanted(study=uid, series=tuple(series), instances=tuple(instances)) for uid in studies]


def pace_of(rate: str | None) -> Pace:
    from leadglass.transfer.pace import Pace

    try:
        return Pace() if rate is None else Pace.parse(rate)
    except Violation as error:
        raise typer.BadParameter(str(error), param_hint="--rate") from None


def require_served(work: Work) -> str:
    """The title that a C-MOVE can send to. Unavailable when nobody listens under it."""
    from leadglass.home import is_served

    if not is_served(work.opened.home):
        raise Unavailable(
            "With --move the other side sends to this home's server, which does not run. Start it first "
            "(leadglass serve)."
        )
    return work.opened.settings.dicom.title


class Retrieval:
    """One command's retrievals, and what became of them."""

    def __init__(
        self, work: Work, endpoint: Endpoint, department: str | None, pace: Pace, *, quiet: bool
    ) -> None:
        from leadglass.transfer.receive import Received

        self._work = work
        self._endpoint = endpoint
        self._department = department
        self._pace = pace
        self._quiet = quiet
        self.received: Received = Received()
        self.moved = 0
        self.failed = 0  # as the other side counts
        self.nothing: list[str] = []  # what was asked for and there was nothing of
        self.reasons: list[str] = []
        self.stopped: LeadglassError | None = None

    @property
    def clean(self) -> bool:
        received = self.received
        return not (self.stopped or self.failed or self.nothing or received.refusals or received.kept_aside)

    @property
    def _came(self) -> int:
        return self.received.count + self.received.refusals

    def bring(self, wanted: list[Wanted], *, by_move: bool) -> None:
        from leadglass.net.workers import Workers

        workers = Workers(THREADS)
        try:
            run(self._bring(wanted, by_move, self._receiver(workers)))
        except LeadglassError as error:
            self.stopped = error
        finally:
            workers.close()

    def _receiver(self, workers: Any) -> Receiver:
        from leadglass.transfer.receive import Receiver

        work = self._work
        return Receiver(
            ingest=work.services.ingest,
            who=work.who,
            department_id=work.services.accounts.department(work.who, self._department, work.context()),
            context=work.context,
            workers=workers,
            largest=work.opened.settings.limits.object_mib << 20,
            source=f"C-GET from {self._endpoint.target.title}",
            pace=self._pace,
            received=self.received,
        )

    async def _bring(self, wanted: list[Wanted], by_move: bool, receiver: Receiver) -> None:
        from leadglass.transfer.retrieve import get, move

        for one in wanted:
            with show.progress(f"From {self._endpoint.target}", quiet=self._quiet) as bar:

                def tell(counts: Counts) -> None:
                    bar(counts.total - counts.remaining, counts.total)

                if by_move:
                    counts = await move(self._endpoint, one, require_served(self._work), tell)
                    self.moved += counts.completed + counts.warning
                else:
                    before = self._came
                    counts = await get(self._endpoint, one, receiver, tell)
                    if not counts.total and self._came == before:
                        self.nothing.append(one.patient_id or one.study)
            self._judge(counts)

    def _judge(self, counts: Counts) -> None:
        from leadglass.dimse.status import Service
        from leadglass.transfer.query import explained

        # What we refused ourselves the other side counts as failed too.
        failed = max(0, counts.failed - self.received.refusals)
        if failed:
            self.failed += failed
            self.reasons.append(explained(Service.GET, counts.status, counts.comment))

    def as_json(self, seconds: float) -> dict[str, Any]:
        received = self.received
        return {
            "stored": received.stored,
            "duplicates": received.duplicates,
            "kept_aside": received.kept_aside,
            "refused": received.refusals,
            "moved": self.moved,
            "not_sent": self.failed,
            "nothing_of": self.nothing,
            "bytes": received.bytes,
            "seconds": round(seconds, 3),
            "stopped": str(self.stopped) if self.stopped else None,
            "reasons": self.reasons,
            "refused_objects": [{"object": uid, "reason": why} for uid, why in received.refused],
        }

    def show(self, seconds: float) -> None:
        received = self.received
        if received.refused:
            show.table(("Object", "Why it is not among the images"), received.refused, whole=frozenset({0}))
        for reason in dict.fromkeys(self.reasons):
            show.note(reason)
        for asked in self.nothing:
            show.note(f"Nothing of {asked}: the other side has none, or does not show it to us.")
        counts = (
            f"{show.count(received.stored, 'image')} stored" if not self.moved else "",
            f"{show.count(self.moved, 'image')} sent to this archive" if self.moved else "",
            f"{received.duplicates:,} already here" if received.duplicates else "",
            f"{received.kept_aside:,} kept aside" if received.kept_aside else "",
            f"{received.refusals:,} refused" if received.refusals else "",
            f"{self.failed:,} not sent by the other side" if self.failed else "",
        )
        size = f" ({show.size(received.bytes)} in {seconds:.1f} s)" if received.bytes else ""
        show.out().print(f"{', '.join(filter(None, counts))}{size}.", soft_wrap=True)
