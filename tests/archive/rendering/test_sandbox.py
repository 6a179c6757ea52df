"""The sandbox from outside: whatever object or worker do, a sentence comes back and nothing leaks."""

from __future__ import annotations

import io
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from leadglass.archive.rendering.confinement import Guards
from leadglass.archive.rendering.sandbox import RenderLimits, RenderRequest, Sandbox
from leadglass.archive.rendering.wire import BrokenExchange, Channel, Deadline, Kind, Refusal, Rendered
from leadglass.archive.rendering.zygote import Worker
from leadglass.errors import LeadglassError, LimitExceeded, Tampered, Unavailable, Violation

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
CT = (FILES / "CT_small.dcm").read_bytes()
SMALL = RenderRequest(1, None, 128)


def made(pixels: bytes, transfer_syntax: UID = ExplicitVRLittleEndian, **attributes: object) -> bytes:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = transfer_syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = 64
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.PixelData = pixels
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = transfer_syntax.is_encapsulated
    part10 = io.BytesIO()
    ds.save_as(part10, enforce_file_format=True)
    return part10.getvalue()


def flat(value: int) -> bytes:
    """A picture that shows one grey, so that a mix-up would show."""
    return made(bytes([value]) * 4096, WindowCenter=127.5, WindowWidth=255, VOILUTFunction="LINEAR_EXACT")


def ask(
    sandbox: Sandbox, data: bytes, owner: str = "user:1", key: object = None, request: RenderRequest = SMALL
) -> Rendered:
    return sandbox.render(owner, key or data, lambda: [data], len(data), request)


def code_of(sandbox: Sandbox, data: bytes, owner: str = "user:1") -> str:
    with pytest.raises(Violation) as caught:
        ask(sandbox, data, owner)
    assert str(caught.value).endswith(".")
    return caught.value.code


def ended(pid: int) -> bool:
    """Wait for the process to end."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with open(pidfd, closefd=True) as _:
        watch = select.poll()
        watch.register(pidfd, select.POLLIN)
        return bool(watch.poll(10_000))


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture
def boxed() -> Iterator[Callable[..., Sandbox]]:
    """Make sandboxes; afterwards all their descriptors and children are gone."""
    before, opened = open_descriptors(), []

    def make(**limits: object) -> Sandbox:
        opened.append(Sandbox(RenderLimits(**limits)))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for sandbox in opened:
        pids = [*sandbox.processes().values(), sandbox._zygote.pid]
        sandbox.close()
        assert all(ended(pid) for pid in pids if pid)
    assert open_descriptors() == before


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """One sandbox for what leaves no trace in it."""
    sandbox = Sandbox()
    sandbox.start()
    yield sandbox
    sandbox.close()


# ---- the ordinary ----------------------------------------------------------------------------------------


def test_a_ct_slice(shared: Sandbox) -> None:
    rendered = ask(shared, CT)
    assert Image.open(io.BytesIO(rendered.jpeg)).size == (rendered.width, rendered.height) == (128, 128)
    assert (rendered.frames, rendered.monochrome) == (1, True)


def test_an_object_is_fetched_once_and_windows_follow_without_it(shared: Sandbox) -> None:
    fetched = []

    def fetch() -> list[bytes]:
        fetched.append(1)
        return [CT[:1000], b"", CT[1000:]]

    for center in (0, 50, 100):
        request = RenderRequest(1, (center, 400), 128)
        rendered = shared.render("user:windows", "ct", fetch, len(CT), request)
        assert (rendered.center, rendered.window_width) == (center, 400)
    assert len(fetched) == 1


def test_a_worker_keeps_its_process_between_refusals(shared: Sandbox) -> None:
    ask(shared, CT, "user:kept")
    pid = shared.processes()["user:kept"]
    assert code_of(shared, b"not an object", "user:kept") == "no-image"
    assert ask(shared, CT, "user:kept").width == 128
    assert shared.processes()["user:kept"] == pid


def test_confinement_is_whole_where_the_kernel_has_it(shared: Sandbox) -> None:
    ask(shared, CT)
    assert shared.guards is not None
    assert Guards.SYSCALLS | Guards.UNPRIVILEGED in shared.guards
    status = Path(f"/proc/{shared.processes()['user:1']}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize(
    "request_",
    [
        RenderRequest(0, None, 128),
        RenderRequest(1 << 31, None, 128),
        RenderRequest(1, None, 0),
        RenderRequest(1, None, 4097),
        RenderRequest(1, (float("nan"), 1), 128),
        RenderRequest(1, (0, float("inf")), 128),
        RenderRequest(1, (0, 0), 128),
    ],
)
def test_a_senseless_request_reaches_no_worker(request_: RenderRequest) -> None:
    with pytest.raises(Violation):
        ask(Sandbox(), CT, request=request_)


# ---- hostile objects -------------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    """Sequences within sequences, all of undefined length."""
    item = bytes.fromhex("08 00 40 11 53 51 00 00 ff ff ff ff fe ff 00 e0 ff ff ff ff")
    head = flat(0)
    return head[: head.index(b"\x28\x00\x02\x00")] + item * depth


def deflated(size: int) -> bytes:
    """A file meta header, then `size` zeros deflated to a thousandth."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    part10 = io.BytesIO()
    ds.save_as(part10, enforce_file_format=True)
    head = part10.getvalue()
    length = 132 + 12 + struct.unpack_from("<I", head, 140)[0]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(size >> 20)) + squeeze.flush()
    return head[:length] + body


def photograph() -> bytes:
    jpeg = io.BytesIO()
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))).save(jpeg, "JPEG")
    return jpeg.getvalue()


def fragments(frame: bytes, count: int) -> bytes:
    """An empty offset table, the frame in one fragment and the rest empty, a delimiter."""
    item = b"\xfe\xff\x00\xe0"
    frame += bytes(len(frame) % 2)
    first = item + len(frame).to_bytes(4, "little") + frame
    return item + bytes(4) + first + (item + bytes(4)) * (count - 1) + b"\xfe\xff\xdd\xe0" + bytes(4)


REFUSED = {
    "no DICOM at all": (b"GIF89a" * 100, "no-image"),
    "empty": (b"", "no-image"),
    "sequences five thousand deep": (nested(5000), "damaged-image"),
    "65535 squared": (made(bytes(10), Rows=65535, Columns=65535), "image-too-large"),
    "a JPEG of noise": (made(encapsulate([os.urandom(500)]), JPEGBaseline8Bit), "damaged-image"),
    "a JPEG without scans": (
        made(encapsulate([bytes.fromhex("ffd8ffc0000b08004000400101110000 ffd9")]), JPEGBaseline8Bit),
        "damaged-image",
    ),
    "999999 frames": (
        made(encapsulate([photograph()]), JPEGBaseline8Bit, NumberOfFrames=999999),
        "damaged-image",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_hostile_objects_get_one_sentence(shared: Sandbox, case: str) -> None:
    data, code = REFUSED[case]
    assert code_of(shared, data) == code


def test_ten_thousand_fragments_are_one_frame(shared: Sandbox) -> None:
    data = made(fragments(photograph(), 10_000), JPEGBaseline8Bit)
    assert ask(shared, data).width == 64


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm", "MR_small_RLE.dcm"]
)
def test_damage_anywhere_gives_a_picture_or_a_violation(shared: Sandbox, name: str) -> None:
    whole = (FILES / name).read_bytes()
    random = np.random.default_rng(len(whole))
    for turn in range(25):
        data = bytearray(whole)
        for place in random.integers(0, len(whole), 8):
            data[place] ^= 1 << int(random.integers(8))
        if turn % 3 == 0:
            del data[int(random.integers(len(whole))) :]
        try:
            assert ask(shared, bytes(data)).jpeg
        except Violation as violation:
            assert violation.code in set(Refusal)  # noqa: PT017 - either outcome is right


def test_memory_is_limited(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(memory_bytes=64 << 20)
    assert code_of(sandbox, made(bytes(96 << 20), Rows=8192, Columns=12288)) == "render-limits"
    assert code_of(sandbox, deflated(256 << 20)) == "render-limits"
    assert ask(sandbox, CT).width == 128


def test_time_is_limited(boxed: Callable[..., Sandbox]) -> None:
    """RLE of one-byte runs: no shorter than an honest encoder's worst, and millions of steps to read."""
    header = struct.pack("<16I", 1, 64, *[0] * 14)
    pixels = 4096 * 4096
    slow = encapsulate([header + b"\x00\x55" * (pixels - 64)])
    sandbox = boxed(seconds=0.3)
    ask(sandbox, CT)
    pid = sandbox.processes()["user:1"]
    data = made(slow, RLELossless, Rows=4096, Columns=4096)
    assert code_of(sandbox, data) == "render-limits"
    assert ended(pid)
    assert ask(sandbox, CT).width == 128


def test_an_object_larger_than_it_said_is_cut_off(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(object_bytes=100_000)
    endless = iter(lambda: bytes(10_000), None)
    with pytest.raises(LimitExceeded):
        sandbox.render("user:1", 1, lambda: endless, 5, SMALL)
    with pytest.raises(LimitExceeded):
        sandbox.render("user:1", 1, list, 100_001, SMALL)
    assert ask(sandbox, CT).width == 128


# ---- failing stores, processes and peers -----------------------------------------------------------------


def test_what_fetch_raises_passes_through_and_ends_the_worker(boxed: Callable[..., Sandbox]) -> None:
    closed = []

    def fetch() -> Iterator[bytes]:
        try:
            yield CT[:1000]
            raise Tampered("This object failed its integrity check.")
        finally:
            closed.append(True)

    sandbox = boxed()
    ask(sandbox, CT)
    pid = sandbox.processes()["user:1"]
    with pytest.raises(Tampered):
        sandbox.render("user:1", "other", fetch, 2000, SMALL)
    assert closed
    assert ended(pid)
    assert ask(sandbox, CT).width == 128


def test_a_frozen_worker_is_ended_at_the_deadline(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(seconds=0.5)
    ask(sandbox, CT)
    pid = sandbox.processes()["user:1"]
    os.kill(pid, signal.SIGSTOP)
    assert code_of(sandbox, CT) == "render-limits"
    assert ended(pid)
    assert ask(sandbox, CT).width == 128


def test_a_worker_killed_between_requests_is_replaced_unnoticed(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed()
    ask(sandbox, CT)
    pid = sandbox.processes()["user:1"]
    os.kill(pid, signal.SIGKILL)
    assert ended(pid)
    assert ask(sandbox, CT).width == 128
    assert sandbox.processes()["user:1"] != pid


def test_a_worker_killed_in_mid_request_is_the_objects_fault(boxed: Callable[..., Sandbox]) -> None:
    """Twice: once in a worker that served before, once in a fresh one."""
    sandbox = boxed()
    ask(sandbox, CT)
    killed = []

    def fetch() -> Iterator[bytes]:
        yield CT[:1000]
        killed.append(sandbox.processes()["user:1"])
        os.kill(killed[-1], signal.SIGKILL)
        assert ended(killed[-1])
        yield CT[1000:]

    with pytest.raises(LimitExceeded) as caught:
        sandbox.render("user:1", "deadly", fetch, len(CT), SMALL)
    assert caught.value.code == "render-limits"
    assert len(set(killed)) == 2
    assert ask(sandbox, CT).width == 128


def test_a_dead_zygote_takes_its_workers_along_and_is_replaced(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed()
    ask(sandbox, CT)
    zygote, worker = sandbox._zygote.pid, sandbox.processes()["user:1"]
    assert zygote is not None
    os.kill(zygote, signal.SIGKILL)
    assert ended(worker)
    assert ask(sandbox, CT).width == 128
    assert sandbox._zygote.pid != zygote


def test_no_process_no_picture(boxed: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = boxed()
    monkeypatch.setattr("leadglass.archive.rendering.zygote._PROGRAM", "leadglass.no_such_program")
    with pytest.raises(Unavailable):
        ask(sandbox, CT)
    monkeypatch.undo()
    assert ask(sandbox, CT).width == 128


def message(kind: int, body: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack(">IB", len(body) if length is None else length, kind) + body


def shown(
    width: int = 8, height: int = 8, frames: int = 1, center: float = 0.0, jpeg: bytes = b"\xff\xd8\xff\xd9"
) -> bytes:
    return message(Kind.SHOWN, Rendered(jpeg, width, height, frames, center, 1.0, True).encode())


LIES = {
    "closes": b"",
    "half a header": b"\x00\x00",
    "a kind there is not": message(99),
    "READY again": message(Kind.READY, b"\x07"),
    "four gigabytes": message(Kind.SHOWN, length=0xFFFFFFFF),
    "LACKS with a body": message(Kind.LACKS, b"x"),
    "LACKS twice": message(Kind.LACKS) * 2,
    "a refusal nobody knows": message(Kind.REFUSED, b"<b>hello</b>"),
    "a refusal that is no text": message(Kind.REFUSED, b"\xff\xfe"),
    "too short to be shown": message(Kind.SHOWN, b"\x00"),
    "wider than asked": shown(width=129),
    "no height": shown(height=0),
    "fewer frames than asked for": shown(frames=0),
    "a centre that is no number": shown(center=float("nan")),
    "no JPEG": shown(jpeg=b"<svg onload=alert(1)>\xff\xd9"),
    "an unfinished JPEG": shown(jpeg=b"\xff\xd8\xff"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_worker_that_lies_is_not_believed(case: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(LIES[case])
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(BrokenExchange):
            Worker(ours, 0, -1).render("ct", lambda: [b"x"], 10, SMALL, Deadline(10))


def test_a_worker_that_drips_is_cut_off_at_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"\x00")
        with pytest.raises(BrokenExchange):
            Channel(ours).receive(Kind.SHOWN, deadline=Deadline(0.05))


# ---- owners ----------------------------------------------------------------------------------------------


def test_a_worker_never_serves_a_second_owner(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(workers=1)
    pids = []
    for turn in range(6):
        owner = f"user:{turn % 2}"
        assert ask(sandbox, CT, owner).width == 128
        assert set(sandbox.processes()) == {owner}
        pids.append(sandbox.processes()[owner])
        assert all(ended(pid) for pid in pids[:-1])
    assert len(set(pids)) == 6
    # The zygote has waited for the dead: of its children only the living one is left.
    children = Path(f"/proc/{sandbox._zygote.pid}/task/{sandbox._zygote.pid}/children").read_text().split()
    states = [Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] for child in children]
    assert states.count("Z") <= 1


def test_the_least_recently_used_worker_makes_room(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(workers=2)
    for owner in ("a", "b", "a", "c"):
        ask(sandbox, CT, owner)
    assert set(sandbox.processes()) == {"a", "c"}


def test_an_idle_worker_ends(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(idle_seconds=0.1)
    pids = []

    def fetch() -> Iterator[bytes]:
        pids.extend(sandbox.processes().values())
        yield CT

    sandbox.render("user:1", 1, fetch, len(CT), SMALL)
    assert len(pids) == 1
    assert ended(pids[0])
    assert ask(sandbox, CT).width == 128


def test_after_a_long_pause_the_codecs_are_unloaded_too(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(idle_seconds=0.05, zygote_idle_seconds=0.1)
    ask(sandbox, CT)
    zygote = sandbox._zygote.pid
    assert zygote is None or ended(zygote)
    assert ask(sandbox, CT).width == 128


def test_a_warm_start_that_nobody_uses_ends_as_well(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(zygote_idle_seconds=0.1)
    sandbox.start()
    zygote = sandbox._zygote.pid
    assert zygote is None or ended(zygote)


def test_sign_out_ends_the_worker(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed()
    ask(sandbox, CT)
    pid = sandbox.processes()["user:1"]
    sandbox.end("user:1")
    sandbox.end("user:unknown")
    assert ended(pid)
    assert sandbox.processes() == {}


def test_waiting_has_an_end(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(workers=1, queue_seconds=0.05)
    entered, leave = threading.Event(), threading.Event()

    def fetch() -> Iterator[bytes]:
        entered.set()
        leave.wait(30)
        yield CT

    first = threading.Thread(target=sandbox.render, args=("a", 1, fetch, len(CT), SMALL))
    first.start()
    try:
        assert entered.wait(30)
        for owner in ("a", "b"):
            with pytest.raises(Unavailable):
                ask(sandbox, CT, owner)
    finally:
        leave.set()
        first.join()
    assert ask(sandbox, CT, "b").width == 128


def test_many_threads_and_owners_get_their_own_pictures(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed(workers=2)
    wrong: list[object] = []

    def look(number: int) -> None:
        value = 10 + number * 20
        try:
            for _ in range(3):
                rendered = ask(sandbox, flat(value), f"user:{number % 4}")
                grey = np.asarray(Image.open(io.BytesIO(rendered.jpeg)))
                if np.abs(grey.astype(int) - value).max() > 2:
                    wrong.append((number, grey[0, 0]))
        except LeadglassError as error:
            wrong.append(error)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_after_close_nothing_starts(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed()
    ask(sandbox, CT)
    sandbox.close()
    sandbox.close()
    with pytest.raises(Unavailable):
        ask(sandbox, CT)
    assert sandbox.processes() == {}


def test_close_ends_what_is_under_way(boxed: Callable[..., Sandbox]) -> None:
    sandbox = boxed()
    entered, closed, outcome = threading.Event(), threading.Event(), []

    def fetch() -> Iterator[bytes]:
        entered.set()
        closed.wait(30)
        yield CT

    def look() -> None:
        try:
            ask_result = sandbox.render("a", 1, fetch, len(CT), SMALL)
        except LeadglassError as error:
            outcome.append(type(error))
        else:
            outcome.append(ask_result)

    reader = threading.Thread(target=look)
    reader.start()
    assert entered.wait(30)
    sandbox.close()
    closed.set()
    reader.join()
    assert outcome in ([LimitExceeded], [Unavailable])


def test_when_the_server_dies_so_does_everything_it_started() -> None:
    program = (
        "import sys; from leadglass.archive.rendering.sandbox import *\n"
        "data = open(sys.argv[1], 'rb').read(); box = Sandbox()\n"
        "box.render('a', 1, lambda: [data], len(data), RenderRequest(1, None, 64))\n"
        "print(box._zygote.pid, box.processes()['a'], flush=True); sys.stdin.read()\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", program, str(FILES / "CT_small.dcm")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    pids = [int(pid) for pid in server.stdout.readline().split()]
    server.kill()
    server.communicate()
    assert len(pids) == 2
    assert all(ended(pid) for pid in pids)
