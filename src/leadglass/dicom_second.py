"""A second process for DICOM connections, so that one interpreter's lock is not the limit.

It is started by the server, opens the same home, and is handed accepted connections. It ends when the server
does, however that ends; when it ends by itself, its connections are lost and another is started.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from errno import errorcode
from pathlib import Path
from typing import Final

import structlog

from leadglass.config import Settings
from leadglass.net.handover import Colleague, pair

AGAIN_SECONDS: Final = 5  # after it has ended by itself
GRACE_SECONDS: Final = 10  # to close the home when it is told to end
OTHER_PROCESS: Final = "leadglass.dicom_deputy"


class SecondProcess:
    """`colleague` is there while the process is."""

    def __init__(self, root: Path, settings: Settings, ours: Iterable[tuple[str, str]]) -> None:
        self._root = root
        self._settings = settings
        self._ours = ours
        self.colleague: Colleague | None = None

    async def keep(self) -> None:
        """Run one, and another when it ends or could not be started; until cancelled."""
        log = structlog.get_logger("leadglass.net")
        while True:
            try:
                status = await self._run_one()
            except OSError as error:  # no memory, no descriptor: there may be some later
                log.error("the second process cannot be started", code=errorcode.get(error.errno or 0))
            else:
                log.error("the second process has ended", status=status)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _run_one(self) -> int:
        """Its exit status, when it has ended by itself."""
        gone = asyncio.Event()
        here, there = pair()
        with there:
            try:
                process = self._start(there)
            except BaseException:
                here.close()
                raise
        self.colleague = Colleague(here, gone.set)
        try:
            await gone.wait()
            return await asyncio.to_thread(_reaped, process)
        finally:
            colleague, self.colleague = self.colleague, None
            colleague.close()
            await asyncio.shield(asyncio.to_thread(_reaped, process))

    def _start(self, channel: socket.socket) -> subprocess.Popen[bytes]:
        """The settings go along, as options may have changed them, and who looks at us on our own behalf.
        None of it is a secret."""
        settings = {name: getattr(self._settings, name).model_dump() for name in ("dicom", "log")}
        asked = json.dumps({"settings": settings, "ours": list(self._ours)})
        return subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", OTHER_PROCESS, str(self._root), str(channel.fileno())],
            env={**os.environ, "LEADGLASS_SECOND_PROCESS": asked},
            pass_fds=(channel.fileno(),),
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is the server's to answer
        )


def _reaped(process: subprocess.Popen[bytes]) -> int:
    """Its exit status. Whoever does not end in time is ended."""
    try:
        return process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait()
