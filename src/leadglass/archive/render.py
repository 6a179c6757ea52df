"""One image on the screen: decided, on the record, decoded by a child process that knows nobody else."""

from __future__ import annotations

from collections.abc import Iterator

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.ledger import Ledger
from leadglass.archive.objects import Objects
from leadglass.archive.rendering.sandbox import Rendered, RenderRequest, Sandbox
from leadglass.errors import Violation
from leadglass.index import lookup

MAX_EDGE = 4096

__all__ = ["Rendered", "Renderer"]


class Renderer:
    def __init__(self, doorkeeper: Doorkeeper, ledger: Ledger, objects: Objects, sandbox: Sandbox) -> None:
        self._doorkeeper = doorkeeper
        self._ledger = ledger
        self._objects = objects
        self._sandbox = sandbox

    def warm(self) -> None:
        """Load the codecs, so that the first image does not wait for them. Does nothing when they are."""
        self._sandbox.start()

    def frame(
        self,
        who: Principal,
        instance_id: int,
        context: Context,
        *,
        frame: int = 1,
        window: tuple[float, float] | None = None,
        edge: int = 1024,
    ) -> Rendered:
        """Frame `frame` (from 1) as JPEG, its longest side at most `edge` pixels; `window` is (center, width)
        in output units of the modality LUT. NotFound, Violation when it cannot be shown, Tampered."""
        with self._doorkeeper.db.read() as connection:
            row = lookup.instance(connection, instance_id)
        study = self._doorkeeper.require_study(
            who, Action.STUDY_VIEW, context, row.series.study if row else None
        )
        assert row is not None  # its study was found through it
        if not 1 <= frame <= row.frames or not 16 <= edge <= MAX_EDGE:
            raise Violation("There is no such frame, or not in this size.")
        access = self._ledger.enter(who, Action.STUDY_VIEW, study, context)
        try:
            access.count(frames=1)
            return self._sandbox.render(
                who.credential,
                instance_id,
                lambda: self._chunks(instance_id),
                row.size,
                RenderRequest(frame, window, edge),
            )
        finally:
            self._ledger.leave(access, context.now)

    def _chunks(self, instance_id: int) -> Iterator[bytes]:
        with self._objects.open(instance_id) as reader:
            yield from reader.chunks()
