"""Sites on a disk that loses power, and what is left of them when it comes back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from fault_disk import Disk
from fault_home import Site


def laid_on(disk: Disk, site: Site) -> Site:
    """A copy of the site, durable, in place of what was there."""
    shutil.rmtree(disk.folder / "site", ignore_errors=True)
    copy = site.copy_to(disk.folder / "site")
    os.sync()
    return copy


def lose_power(
    disk: Disk, site: Site, acknowledged: Callable[[], set[str]], kill: Callable[[], object]
) -> set[str]:
    """The power goes, whoever is at it is killed, the power comes back. What was acknowledged when it went.

    What is acknowledged later proves nothing: an fsync that this ioctl overtakes can succeed although its data
    are thrown away (10 of 12,000 by four threads that did nothing else), and without power nobody says anything.
    Control of the cut itself: a file that was written and not synced is empty or gone afterwards.
    """
    unsynced = site.folder / "unsynced"
    unsynced.write_bytes(b"x")
    said = acknowledged()
    disk.cut()
    kill()
    disk.unmount()
    disk.mount()
    assert not unsynced.exists() or unsynced.read_bytes() == b""
    return said
