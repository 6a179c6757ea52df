import asyncio

import pytest

from leadglass.errors import Tampered
from leadglass.web import middleware
from leadglass.web.problems import Refused
from leadglass.web.settings import WebSettings

SETTINGS = WebSettings(body_bytes=10, body_seconds=0.01, answer_seconds=0.01)


def scope(method="GET", **headers):
    raw = [(b"host", b"localhost:8080")]
    raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "headers": raw, "path": "/", "query_string": b""}


async def nothing():
    return {"type": "http.request", "body": b"", "more_body": False}


async def never():
    await asyncio.Event().wait()


def run(app, given, receive=nothing):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(app(given, receive, send))
    return sent


async def ok(given, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


# --- origins ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-origin", "origin": "null"},
        {"sec_fetch_site": "same-origin", "origin": "http://localhost:8080"},
        {"origin": "http://localhost:8080"},
        {"origin": "HTTP://LOCALHOST:8080"},
        {"authorization": "Bearer x"},
    ],
)
def test_our_own_pages_may_write(headers):
    assert run(middleware.Origins(ok, SETTINGS), scope("POST", **headers))[0]["status"] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://localhost:8080"},
        {"origin": "http://localhost"},
        {"origin": "http://localhost:8080.evil.example"},
        {"origin": "http://evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site", "origin": "http://localhost:8080"},
        {"sec_fetch_site": "same-origin", "origin": "http://evil.example"},
        {"authorization": "Bearer x", "cookie": "leadglass=y"},
        {"referer": "http://localhost:8080/"},
    ],
)
def test_everybody_else_may_not(method, headers):
    with pytest.raises(Refused, match="did not come from a page"):
        run(middleware.Origins(ok, SETTINGS), scope(method, **headers))


def test_a_program_without_anything_is_asked_who_it_is():
    there = {"path": "/dicom-web/studies"}
    assert run(middleware.Origins(ok, SETTINGS), scope("POST") | there)[0]["status"] == 200
    with pytest.raises(Refused, match="did not come from a page"):
        run(middleware.Origins(ok, SETTINGS), scope("POST", cookie="leadglass=y") | there)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_origin(method):
    assert run(middleware.Origins(ok, SETTINGS), scope(method))[0]["status"] == 200


# --- hosts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:8080", "localhost", "localhost:1"]
)
def test_our_names(host):
    given = scope() | {"headers": [(b"host", host.encode())]}
    assert run(middleware.Hosts(ok, SETTINGS), given)[0]["status"] == 200


@pytest.mark.parametrize(
    "hosts",
    [
        ["evil.example"],
        ["localhost.evil.example:8080"],
        ["evil.example:8080"],
        ["localhost:8080", "evil.example"],
        ["localhost@evil.example"],
        ["localhost:x"],
        ["localhost:8080:1"],
        ["[::1"],
        [""],
        [],
    ],
)
def test_other_names(hosts):
    given = scope() | {"headers": [(b"host", host.encode()) for host in hosts]}
    with pytest.raises(Refused):
        run(middleware.Hosts(ok, SETTINGS), given)


# --- bodies ----------------------------------------------------------------------------------------------


async def reads_all(given, receive, send):
    while (await receive()).get("more_body"):
        pass
    await ok(given, receive, send)


def pieces(*sizes):
    left = list(sizes)

    async def receive():
        size = left.pop(0)
        return {"type": "http.request", "body": b"x" * size, "more_body": bool(left)}

    return receive


def test_a_body_within_the_limit():
    assert run(middleware.Bodies(reads_all, SETTINGS), scope(), pieces(5, 5))[0]["status"] == 200


@pytest.mark.parametrize("announced", ["11", "99999999999999999999", "-1", "x", "1e1", "\xb2"])
def test_too_much_is_refused_when_announced(announced):
    given = scope() | {"headers": [(b"content-length", announced.encode("latin-1"))]}
    with pytest.raises(Refused):
        run(middleware.Bodies(reads_all, SETTINGS), given, never)


def test_too_much_is_refused_when_it_comes_unannounced():
    with pytest.raises(Refused, match="larger"):
        run(middleware.Bodies(reads_all, SETTINGS), scope(), pieces(5, 5, 1, 1000))


def test_a_lie_about_the_length_does_not_help():
    with pytest.raises(Refused, match="larger"):
        run(middleware.Bodies(reads_all, SETTINGS), scope(content_length="2"), pieces(5, 6))


def test_a_body_that_does_not_come():
    with pytest.raises(Refused, match="too slow"):
        run(middleware.Bodies(reads_all, SETTINGS), scope(), never)


# --- deadline, errors, headers, log ----------------------------------------------------------------------


def test_an_answer_that_does_not_begin():
    async def silent(given, receive, send):
        await never()

    with pytest.raises(TimeoutError):
        run(middleware.Deadline(silent, SETTINGS), scope())


def test_an_answer_that_has_begun_may_take_its_time():
    async def slow(given, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.05)  # five times the deadline
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    assert len(run(middleware.Deadline(slow, SETTINGS), scope())) == 2


async def explain(request, failure):
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(type(failure).__name__, 500)


def test_a_failure_before_the_answer_is_explained_and_reported():
    reported = []

    async def broken(given, receive, send):
        raise KeyError("secret")

    sent = run(middleware.Errors(broken, explain, lambda *said: reported.append(said)), scope())
    assert sent[0]["status"] == 500
    assert reported[0][0] == "-"


def test_a_failure_in_the_answer_cuts_it_short():
    async def broken(given, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise Tampered("x")

    sent = run(middleware.Errors(broken, explain, lambda *_: None), scope())
    assert [message.get("more_body") for message in sent] == [None, True]


def test_headers_are_on_every_answer(stranger, doctor):
    for client, path in (
        (stranger, "/sign-in"),
        (stranger, "/nope"),
        (doctor, "/studies"),
        (stranger, "/metrics"),
    ):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == middleware.CONTENT_SECURITY_POLICY
        for name, value in middleware.SECURITY_HEADERS:
            assert headers[name] == value
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_the_policy_allows_nothing_inline_and_nobody_else():
    assert "unsafe" not in middleware.CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in middleware.CONTENT_SECURITY_POLICY
    assert "http" not in middleware.CONTENT_SECURITY_POLICY


def test_the_log_knows_routes_and_no_paths():
    seen = []

    async def app(given, receive, send):
        given[middleware.ROUTE] = "study"
        await ok(given, receive, send)

    log = middleware.RequestLog(app, lambda: None, [lambda *line: seen.append(line)])
    run(log, scope("GET") | {"path": "/studies/ROTH"})
    run(log, scope("ROTH^ANNA"))
    assert [(method, route, status) for method, route, status, _ in seen] == [
        ("GET", "study", 200),
        ("other", "study", 200),
    ]


# --- bodies that stream ------------------------------------------------------------------------------------


def streaming(settings):
    async def drain(given, receive, send):
        while (await receive()).get("more_body"):
            pass
        await ok(given, receive, send)

    return middleware.Bodies(drain, settings, streams=lambda _: True)


def sends(*bodies, pause=0.0, stops=False):
    left = list(bodies)

    async def receive():
        await asyncio.sleep(pause)
        if stops and not left:
            await never()
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left) or stops}

    return receive


def test_a_body_that_streams_may_be_large_and_slow():
    settings = WebSettings(body_bytes=10, body_seconds=0.2, stream_bytes=100, stream_grace=0, stream_rate=1)
    receive = sends(*[b"x" * 10] * 10, pause=0.03)  # longer than any small body may take
    assert run(streaming(settings), scope("POST"), receive)[0]["status"] == 200


def test_but_not_endless():
    settings = WebSettings(stream_bytes=100)
    with pytest.raises(Refused, match="larger"):
        run(streaming(settings), scope("POST"), sends(*[b"x" * 11] * 10))
    with pytest.raises(Refused, match="larger"):
        run(streaming(settings), scope("POST", content_length="101"))


@pytest.mark.parametrize(
    "settings",
    [
        WebSettings(body_seconds=0.01),  # nothing comes
        WebSettings(stream_seconds=0.05),  # all in all
        WebSettings(body_seconds=9, stream_grace=0.0, stream_rate=1 << 30),  # next to nothing
    ],
)
def test_nor_may_a_sender_dawdle(settings):
    with pytest.raises(Refused, match="too slow"):
        run(streaming(settings), scope("POST"), sends(*[b"x"] * 5, pause=0.02, stops=True))


def test_an_answer_may_take_its_time_from_the_end_of_such_a_body():
    settings = WebSettings(answer_seconds=0.1)

    def app(after):
        async def answer(given, receive, send):
            while (await receive()).get("more_body"):
                pass
            await asyncio.sleep(after)
            await ok(given, receive, send)

        return middleware.Deadline(answer, settings, streams=lambda _: True)

    assert run(app(0), scope("POST"), sends(*[b"x"] * 5, pause=0.05))[0]["status"] == 200
    with pytest.raises(TimeoutError):
        run(app(5), scope("POST"), sends(b"x"))
