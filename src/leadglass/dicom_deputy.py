"""`python -m leadglass.dicom_deputy HOME DESCRIPTOR`: the second process (see `dicom_second`).

Its limits, its mask for new files and its environment are those of the server that starts it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import uvloop

from leadglass import heap, server_log
from leadglass.compose import Opened, open_home
from leadglass.dicom_doors import Attendance, attending
from leadglass.errors import LeadglassError
from leadglass.home import clock
from leadglass.net.handover import Deputy
from leadglass.serve import every


def main() -> int:
    root, channel = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the server, to which they go as well
    asked = json.loads(os.environ.pop("LEADGLASS_SECOND_PROCESS"))
    settings, ours = asked["settings"], frozenset(map(tuple, asked["ours"]))
    server_log.set_up(settings["log"]["format"])
    try:
        with (
            open_home(root, os.environ, clock, **settings) as opened,
            attending(opened, clock, ours) as attendance,
        ):
            uvloop.run(_serve(channel, opened, attendance))
    except LeadglassError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _serve(channel: socket.socket, opened: Opened, attendance: Attendance) -> None:
    loop = asyncio.get_running_loop()
    jobs = (
        (1.0, "shut-listeners", opened.services.listeners.refresh),
        (2.0, "reload-certificates", attendance.reload),
        (5.0, "close-accesses", lambda: opened.services.ledger.expire(clock())),
        (heap.EVERY_SECONDS, "trim-heap", heap.AfterWork()),
    )
    housekeeping = [loop.create_task(every(seconds, name, job)) for seconds, name, job in jobs]
    try:
        await Deputy(channel, attendance.attendants).serve()
    finally:
        for task in housekeeping:
            task.cancel()


if __name__ == "__main__":
    sys.exit(main())
