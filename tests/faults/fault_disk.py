"""Disks of a test's own: an ext4 that can lose power, and a small one that fills up. Root only."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_EXT4_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING = struct.pack("I", 2)  # EXT4_GOING_FLAGS_NOLOGFLUSH
_TOOLS = ("losetup", "mkfs.ext4", "mount", "umount")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


@dataclass(slots=True)
class Disk:
    """An ext4 in a file. What was not synced is gone after `cut`, as after a power cut."""

    device: str
    folder: Path
    mounted: bool = False

    def mount(self) -> None:
        _run("mount", "-t", "ext4", self.device, str(self.folder))
        self.mounted = True

    def unmount(self) -> None:
        if self.mounted:
            _run("umount", str(self.folder))
            self.mounted = False

    def cut(self) -> None:
        """Nothing reaches the disk any more, neither data nor journal. Then `unmount` and `mount`."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN, _WITHOUT_FLUSHING)
        finally:
            os.close(descriptor)


@contextmanager
def loop_disk(folder: Path, mib: int) -> Iterator[Disk]:
    """A mounted ext4 of `mib` MiB, taken apart again whatever happens."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if os.geteuid() or missing:
        pytest.skip(f"NOT TRIED: a power cut needs root and {', '.join(_TOOLS)}.")
    image, mountpoint = folder / "disk.img", folder / "disk"
    mountpoint.mkdir()
    with image.open("wb") as file:
        file.truncate(mib << 20)
    _run("mkfs.ext4", "-q", str(image))
    device = _allowed("losetup", "-f", "--show", str(image))
    try:
        disk = Disk(device, mountpoint)
        _allowed("mount", "-t", "ext4", device, str(mountpoint))
        disk.mounted = True
        try:
            yield disk
        except BaseException:
            _run("umount", "--lazy", str(mountpoint))  # a failed test may still hold a file open
            raise
        disk.unmount()
    finally:
        _run("losetup", "-d", device)  # detached when the last file is closed


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """An empty disk of `mib` MiB in memory."""
    if os.geteuid():
        pytest.skip("NOT TRIED: a full disk is a small one of the test's own, which only root can mount.")
    folder.mkdir()
    _allowed("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "leadglass-test", str(folder))
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))  # a failed test may still hold a file open


def _allowed(*command: str) -> str:
    """A container may have root and no right to mount."""
    try:
        return _run(*command)
    except OSError as error:
        pytest.skip(f"NOT TRIED: this machine does not allow it: {error}")
