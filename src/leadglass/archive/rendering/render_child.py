"""The programs of the decoding sandbox: a zygote that loads the codecs once, and the workers it forks.

    python -I -m leadglass.archive.rendering.render_child DESCRIPTOR MEMORY_BYTES CPU_SECONDS
        PIXELS DECODED_BYTES

The zygote never reads a foreign byte. Each datagram on its control socket carries one end of a stream socket;
it forks a worker around that end and answers with the worker's pid and a pidfd, by which the server can end
exactly that process. It reaps what it forked, and goes when the server closes the control socket; its workers
go with it (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import gc
import importlib
import io
import logging
import os
import select
import socket
import struct
import sys
import time
import warnings
from dataclasses import dataclass

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from leadglass.archive.rendering.confinement import confine
from leadglass.archive.rendering.pixels import Picture, PixelLimits
from leadglass.archive.rendering.wire import (
    Ask,
    BrokenExchange,
    Channel,
    Kind,
    Refusal,
    RenderRequest,
    refused,
)
from leadglass.errors import Violation

SPAWNED = struct.Struct(">I")
_CHANNEL = 3  # where confine() leaves the worker's socket
# Loaded before the fork: a confined worker can open no file, so it can import nothing.
_PLUGINS = (
    "encodings.idna",
    "gdcm",
    "jpeg_ls",
    "openjpeg.utils",
    "PIL.Jpeg2KImagePlugin",
    "PIL.JpegImagePlugin",
    "pydicom.pixels.decoders.gdcm",
    "pydicom.pixels.decoders.pillow",
    "pydicom.pixels.decoders.pyjpegls",
    "pydicom.pixels.decoders.pylibjpeg",
    "pydicom.pixels.decoders.rle",
)


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    memory_bytes: int
    cpu_seconds: int
    pixels: PixelLimits


def main(arguments: list[str]) -> None:
    descriptor, memory_bytes, cpu_seconds, pixels, decoded_bytes = map(int, arguments)
    limits = WorkerLimits(memory_bytes, cpu_seconds, PixelLimits(pixels, decoded_bytes))
    _load(limits.pixels)
    with socket.socket(fileno=descriptor) as control:
        zygote(control, limits)


# ---- zygote -----------------------------------------------------------------------------------------------


def zygote(control: socket.socket, limits: WorkerLimits) -> None:
    """Fork and reap until the server closes `control`."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    workers: dict[int, int] = {}  # pidfd: pid; a pidfd becomes readable when its process ends
    while True:
        for ready, _ in poll.poll():
            if ready in workers:
                poll.unregister(ready)
                os.waitpid(workers.pop(ready), 0)
                os.close(ready)
                continue
            _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not descriptors:
                return
            pid, pidfd = _fork(descriptors[0], limits)
            workers[pidfd] = pid
            poll.register(pidfd, select.POLLIN)
            socket.send_fds(control, [SPAWNED.pack(pid)], [pidfd])


def _fork(channel: int, limits: WorkerLimits) -> tuple[int, int]:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            worker(channel, limits, parent)
        except BaseException:  # noqa: BLE001, S110 - the end of the process, whatever ended it
            pass
        finally:
            os._exit(0)
    os.close(channel)
    return pid, os.pidfd_open(pid)


def _load(limits: PixelLimits) -> None:
    """Import everything, run each stage once, and move it out of the collector's sight.

    Library messages quote values of the data set: silenced here for every worker.
    """
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    for name in _PLUGINS:
        importlib.import_module(name)
    Picture(_specimen(), limits).show(RenderRequest(1, None, 4))
    gc.collect()
    gc.freeze()  # the collector would touch, and so copy, every page shared with the workers


def _specimen() -> io.BytesIO:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    ds.Rows = ds.Columns = 8
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = bytes(128)
    part10 = io.BytesIO()
    ds.save_as(part10, enforce_file_format=True)
    part10.seek(0)
    return part10


# ---- worker -----------------------------------------------------------------------------------------------


def worker(descriptor: int, limits: WorkerLimits, parent: int) -> None:
    """Serve one principal until the socket closes or half of the processor time is used up.

    Half: the kernel's limit must not hit in the middle of a picture. The server starts a new worker at need.
    """
    guards = confine(descriptor, limits.memory_bytes, limits.cpu_seconds, parent)
    channel = Channel(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=_CHANNEL))
    channel.send(Kind.READY, bytes([guards]))
    serial, picture = None, Picture(io.BytesIO(), limits.pixels)
    while time.process_time() < limits.cpu_seconds / 2:
        ask = Ask.decode(channel.receive(Kind.ASK)[1])
        if ask.serial != serial:
            channel.send(Kind.LACKS)
            picture = Picture(io.BytesIO(), limits.pixels)  # the old object's memory goes first
            serial, picture = ask.serial, Picture(_object(channel), limits.pixels)
        channel.send(*answer(picture, ask.request))


def _object(channel: Channel) -> io.BytesIO:
    part10 = io.BytesIO()
    while True:
        kind, part = channel.receive(Kind.PART, Kind.END)
        if kind is Kind.END:
            part10.seek(0)
            return part10
        part10.write(part)


def answer(picture: Picture, request: RenderRequest) -> tuple[Kind, bytes]:
    """SHOWN or REFUSED; never text that a library made from the object."""
    try:
        return Kind.SHOWN, picture.show(request).encode()
    except Violation as violation:
        error = violation
    except MemoryError:
        picture.forget()
        error = refused(Refusal.LIMITS)
    except BrokenExchange:
        raise
    except Exception:  # noqa: BLE001 - pydicom and four codecs on hostile bytes: anything may come
        error = refused(Refusal.DAMAGED)
    return Kind.REFUSED, error.code.encode()


if __name__ == "__main__":
    main(sys.argv[1:])
