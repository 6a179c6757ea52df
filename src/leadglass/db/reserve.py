"""Space kept back for the record, so that a full disk stops ingest first and viewing last.

A preallocated file stands in for the space. When a transaction that records an access meets a full
disk, the file is let go and the transaction tried again; ingest is refused until it stands again.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from leadglass.errors import StorageFailed, StorageFull

FILE_NAME = "reserve"
_ROOM_TO_OPEN = 1 << 20  # bytes: the log's index, its first frames


def release_to_open(directory: Path) -> bool:
    """Let the space in `directory` go when the disk is so full that not even the database opens."""
    path = directory / FILE_NAME
    if shutil.disk_usage(directory).free >= _ROOM_TO_OPEN or not path.exists() or not path.stat().st_size:
        return False
    os.truncate(path, 0)
    return True


class Reserve:
    """The kept-back space of one home: `size` bytes at `path`, and as much again must be free."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    def intact(self) -> bool:
        """True while the space is held back."""
        try:
            return self.path.stat().st_size >= self.size
        except FileNotFoundError:
            return self.size == 0

    def room_for_objects(self) -> bool:
        """True when objects may be taken in: the space is held back, or can be again now."""
        free = shutil.disk_usage(self.path.parent).free
        if self.intact():
            return free >= self.size
        return free >= 3 * self.size and self._restore()

    def ensure(self) -> None:
        """Hold the space back; StorageFull when the disk has not got it."""
        if not self.intact() and not self._restore():
            raise StorageFull("The disk has no room left for the access record. Free some space first.")

    def release(self) -> bool:
        """Let the space go for the record's sake; False when it was gone already or the disk refuses."""
        try:
            if self.size == 0 or not self.intact():
                return False
            os.truncate(self.path, 0)
        except OSError:
            return False
        return True

    def _restore(self) -> bool:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if self.size:
                os.posix_fallocate(descriptor, 0, self.size)
            os.fsync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, 0)
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                return False
            raise StorageFailed("The disk refused to set space aside for the access record.") from error
        finally:
            os.close(descriptor)
        return True
