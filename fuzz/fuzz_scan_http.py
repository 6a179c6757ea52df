"""Fuzz the W probes of a scan: whatever a web server says, and however it ends, observations come out.

There is no network and no waiting: a server in memory, and the loop of the D probes' fuzzer. The first byte
of an input chooses how far the scope goes, or that each answer is only read as everything it may be; the
second into which pieces an answer is cut and how it ends, the third how often its last 64 bytes come again.
Then come answers, one for each request in turn, between `BETWEEN`.

Besides the contract on exceptions: nobody is asked but who was dialled, whatever a redirect or a page names,
and nothing but what the probes say that they ask; what comes out is small, printable and the same into
whichever pieces an answer was cut; no header or body is in it that was not looked for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from itertools import cycle
from typing import Any
from unittest.mock import patch

import seeded
from fuzz_scan_dimse import Leaping

from leadglass.scan import http, pages
from leadglass.scan.ending import Over
from leadglass.scan.manner import Bounds, Manner, Option, Patience
from leadglass.scan.observation import Level, Observation, Outcome
from leadglass.scan.probe_web import probe_web

ADDRESS, PORT = "192.0.2.7", 8042
BETWEEN = b"\0=\0"
SECRET = b"NOBODY^PLANTED"
CHUNKS = (1 << 16, 1, 7, 300)
CLOSES, RESETS, STAYS = range(3)  # how an answer ends
TOLD_MOST = 200_000  # characters of observations
MOST_ANSWERS = 20
READERS = (
    lambda reply: pages.page(reply, b"secret"), pages.config, pages.system, pages.statistics,
    pages.study_count, pages.methods, pages.listed,
)  # fmt: skip
Probing = Callable[..., Coroutine[Any, Any, list[Observation]]]
ASKED = re.compile(r"(GET|OPTIONS) /[A-Za-z0-9._/-]*(\?limit=1&StudyInstanceUID=2\.25\.\d+)? HTTP/1\.1")
PATIENCE = Patience(connect=3, answer=10, host=120)
BOUNDS = Bounds(head=4 << 10, body=8 << 10)


class Sock:
    """What has been dialled."""

    def getsockopt(self, *_: object) -> bytes:
        raise OSError

    def close(self) -> None: ...


class Loop(Leaping):
    """Connections are to a server in memory."""

    answer: Callable[[], tuple[bytes, int, int]]

    async def create_connection(self, factory: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        protocol = factory()
        server = Server(protocol, self)
        protocol.connection_made(server)
        return server, protocol


class Server(asyncio.Transport):
    """The other end: says one answer once a request is whole."""

    def __init__(self, protocol: Any, loop: Loop) -> None:
        super().__init__()
        self._protocol, self._loop, self._heard = protocol, loop, b""
        self._is_closed = self._is_paused = False
        self._waiting: list[bytes] = []
        self._end = CLOSES

    def write(self, data: Any) -> None:
        self._heard += data
        head, gap, rest = self._heard.partition(b"\r\n\r\n")
        if not gap:
            return
        assert not rest
        asked(head.decode("ascii"))
        said, chunk, self._end = self._loop.answer()
        self._waiting = [said[at : at + chunk] for at in range(0, len(said), chunk)]
        self._loop.call_soon(self._say)

    def _say(self) -> None:
        while self._waiting and not self._is_paused and not self._is_closed:
            self._protocol.data_received(self._waiting.pop(0))
        if self._waiting or self._is_closed:
            return
        if self._end == CLOSES:
            self._protocol.eof_received()
        elif self._end == RESETS:
            self._lose(ConnectionResetError())

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._loop.call_soon(self._say)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self._is_closed

    def abort(self) -> None:
        self._lose(None)

    close = abort

    def _lose(self, error: Exception | None) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._loop.call_soon(self._protocol.connection_lost, error)


def asked(head: str) -> None:
    first, *lines = head.split("\r\n")
    assert ASKED.fullmatch(first), first
    assert f"host: {ADDRESS}:{PORT}" in (line.lower() for line in lines)


async def _connected(address: str, port: int, _: float) -> Any:
    assert (address, port) == (ADDRESS, PORT), "somebody else was dialled"
    return Sock()


def one_input(data: bytes) -> None:
    if len(data) < 3:
        return
    scope, form, again = data[0], data[1], data[2]
    answers = [answer + answer[-64:] * (again * 16) for answer in data[3:].split(BETWEEN)]
    manner = Manner(
        contact="security@hospital.example",
        max_level=list(Level)[scope % len(Level)],
        options=frozenset(Option) if scope & 64 else frozenset(),
        patience=PATIENCE,
        bounds=BOUNDS,
        secret=b"secret",
    )
    chunk, end = CHUNKS[form % len(CHUNKS)], form // len(CHUNKS) % 3
    probe = probe_web if scope & 128 else read_as_everything
    seen = probed(answers, chunk, end, manner, probe)
    judged(seen)
    if chunk != CHUNKS[0] and end == CLOSES:
        assert told(seen) == told(probed(answers, CHUNKS[0], end, manner, probe))


def probed(answers: list[bytes], chunk: int, end: int, manner: Manner, probe: Probing) -> list[Observation]:
    loop = Loop()
    turn = cycle(answers)
    loop.answer = lambda: (next(turn), chunk, end)
    try:
        with patch.object(http, "connected", _connected):
            seen = loop.run_until_complete(probe(ADDRESS, PORT, manner, clock=lambda: len(answers)))
            loop.run_until_complete(asyncio.sleep(0))
        assert not loop.failures, loop.failures
        return seen
    finally:
        loop.close()


async def read_as_everything(
    address: str, port: int, manner: Manner, clock: Callable[[], int]
) -> list[Observation]:
    """One request for each answer."""
    seen: list[Observation] = []
    sent = {"method": "get", "path": "/", "about": "listing"}
    for _ in range(min(clock(), MOST_ANSWERS)):
        try:
            reply = await http.ask(address, port, http.Request("GET", "/"), manner)
        except Over as over:
            seen.append(Observation("http", address, port, 0, 0, over.ending.outcome, sent, over.ending.said))
            continue
        assert len(reply.body) <= BOUNDS.body
        common = pages.common(reply)
        seen += [
            Observation("http", address, port, 0, 0, Outcome.RESPONDED, sent, common | read(reply))
            for read in READERS
        ]
        for root in pages.roots(reply):
            assert ASKED.fullmatch(f"GET {root}/studies HTTP/1.1") or not root
    return seen


def told(seen: list[Observation]) -> list[Any]:
    """All but how long it took."""
    timed = {"connect_us", "answer_us"}
    return [
        (each.sent, each.outcome, {k: v for k, v in each.said.items() if k not in timed}) for each in seen
    ]


def judged(seen: list[Observation]) -> None:
    assert seen
    written = repr([each.to_json() for each in seen])
    assert written.isprintable() and len(written) < TOLD_MOST
    for each in seen:
        # What a program calls itself is kept, whatever it is.
        assert not any(
            SECRET.decode() in str(v) for k, v in each.said.items() if k not in {"server", "version"}
        )
        assert (each.address, each.port) == (ADDRESS, PORT)
        assert Observation.from_json(each.to_json()) == each


def answer(body: bytes, kind: bytes = b"text/html", *more: bytes, status: bytes = b"200 OK") -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Type: " + kind, b"Content-Length: %d" % len(body), *more)
    return b"\r\n".join((*lines, b"", body))


SYSTEM = b'{"DicomAet": "ORTHANC", "Version": "1.12.1", "Name": "x"}'
COUNTS = b'{"CountPatients": 1, "CountStudies": 2, "CountSeries": 3, "CountInstances": 4}'
CONFIG = b"window.config = {qidoRoot: '/pacs/rs', wadoRoot: 'https://elsewhere.example/rs', x: 1};"
INDEX = b'<title>Index</title><a href="IM1.dcm">' + SECRET + b"</a><a href='/DICOMDIR'>x</a><a href=a/>"
CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: x/1\r\n\r\n"
    b"5\r\n[{},{\r\n3;x=y\r\n},1\r\n1\r\n]\r\n0\r\nTrailer: x\r\n\r\n"
)
ANSWERS = (
    answer(INDEX, b"text/html; charset=utf-8", b"Server: nginx/1.2", b"X-Secret: " + SECRET),
    answer(SYSTEM, b"application/json", b"Access-Control-Allow-Origin: *"),
    answer(b"", b"text/plain", b'WWW-Authenticate: Basic realm="Orthanc Secure Area"', status=b"401 No"),
    answer(COUNTS, b"application/json", b"Access-Control-Allow-Credentials: true"),
    answer(CONFIG, b"application/javascript"),
    answer(b'[{"00100010": {"Value": ["' + SECRET + b'"]}}, {}]', b"application/dicom+json"),
    answer(b"[]", b"application/dicom+json", b"Allow: GET, POST, OPTIONS"),
    answer(b'{"count": 12}', b"application/json"),
    answer(b"", b"x/y", b"Location: http://192.0.2.8/", b"Content-Encoding: gzip", status=b"302 Found"),
    answer(b"", b"x/y", status=b"204 No Content"),
    CHUNKED,
    b"HTTP/1.0 200 OK\r\n\r\n<title>OHIF Viewer</title>",
    b"<html>no head</html>",
    b"SSH-2.0-x\r\n",
    b"\2\0\0\0",
    b"",
)
TOKENS = (
    b"\r\n", b"\r\n\r\n", b": ", b"HTTP/1.1 ", b"HTTP/1.1 101 x\r\n\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Type: -/x\r\n",
    b"Location: //192.0.2.8/\r\n", b"\xff", b"\0", b"\x1b[31m", b"qidoRoot:'//x/../y'", b"wadoRoot:'/a b'",
    b'href="x.dcm"', b"[[", b"]]", b"{", b'"', b"\\", b",", b"9" * 5000, b"1e999", b"null", b'{"a":' * 900,
    b"[" * 900, BETWEEN, b"href" + b" " * 900, b"<title>" + b" " * 900, b"000", b"999",
)  # fmt: skip


def corpus() -> list[bytes]:
    """An answer to everything, answers in turn, in pieces or whole, as far as each scope goes."""
    all_in_turn, viewer = BETWEEN.join(ANSWERS), BETWEEN.join((ANSWERS[0], *ANSWERS[4:7]))
    forms = [bytes((form, again)) for form in (0, 1, 2, 7) for again in (0, 3)]
    alone = [b"\4" + form + each for each in ANSWERS for form in forms]
    probes = [bytes((level | 192, form, 0)) for level in (1, 3, 4) for form in (0, 3, 7)]
    return alone + [head + each for each in (all_in_turn, viewer, *ANSWERS[1:3]) for head in probes]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
