"""What the server concludes from looking at its own listeners as a stranger."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.archive.listeners import Met
from leadglass.scan.observation import Observation, Outcome
from leadglass.self_look import Subject, judge


def seen(probe: str, outcome: Outcome, sent: dict[str, Any] | None = None, **said: Any) -> Observation:
    return Observation(probe, "127.0.0.1", 104, 1, 1, outcome, sent or {}, said)


def http(path: str, status: int, about: str = "qido", **said: Any) -> Observation:
    sent = {"method": "get", "path": path, "about": about}
    return seen("http", Outcome.RESPONDED, sent, status=status, **said)


def web(dicomweb: int, page: int, **said: Any) -> list[Observation]:
    query = "?limit=1&StudyInstanceUID=2.25.1"
    return [
        http("/", 303, "listing"),
        http(f"/dicom-web/studies{query}", dicomweb, **said),
        http("/dicom-web/lgscan0", 404, "control"),
        http(f"/studies{query}", page),
    ]


UNKNOWN = {"result": 1, "source": 1, "reason": 3}
LET_IN = seen("associate", Outcome.ACCEPTED, {"called": "LGSCAN0", "calling": "LGSCAN1"}, accepted=("1.2",))
BY_TITLE = seen("associate-named", Outcome.ACCEPTED, {"called": "LEADGLASS", "calling": "LGSCAN1"})


@pytest.mark.parametrize(
    ("listener", "observations", "met", "saw"),
    [
        ("receive", [seen("associate", Outcome.REJECTED, **UNKNOWN)], Met.REFUSAL, "refuses-strangers"),
        ("receive", [LET_IN], Met.ANSWERS, "associates"),
        ("receive", [seen("associate", Outcome.REJECTED, result=1, source=1, reason=7), BY_TITLE], Met.ANSWERS,
         "associates"),
        ("receive", [LET_IN, seen("echo", Outcome.ANSWERED, status=0)], Met.ANSWERS, "echoes"),
        ("receive", [seen("associate", Outcome.REJECTED, result=2, source=3, reason=1)], Met.NOTHING, "busy"),
        ("receive", [seen("associate", Outcome.REJECTED, result=1, source=1, reason=7)], Met.NOTHING,
         "wrong-title"),
        ("receive", [seen("associate", Outcome.EMPTY)], Met.NOTHING, "takes-nothing"),
        ("receive", [seen("associate", Outcome.REFUSED)], Met.NOTHING, "closed"),
        ("receive", [seen("associate", Outcome.CLOSED, connect_us=5)], Met.NOTHING, "hangs-up"),
        ("dimse", [seen("associate", Outcome.CLOSED, connect_us=5, tls=True)], Met.REFUSAL, "hangs-up"),
        ("dimse", [seen("associate", Outcome.CLOSED, fault="reset", tls=True)], Met.NOTHING, "hangs-up"),
        ("dimse", [seen("associate", Outcome.ALERTED, alert="certificate-required", tls=True)], Met.REFUSAL,
         "asks-certificate"),
        ("dimse", [seen("associate", Outcome.REJECTED, tls=True, **UNKNOWN)], Met.REFUSAL,
         "refuses-strangers"),
        ("dimse", [LET_IN, seen("find-none", Outcome.ANSWERED, status=0)], Met.ANSWERS, "answers"),
        ("dimse", [seen("associate", Outcome.MUTE)], Met.NOTHING, "mute"),
        ("http", web(401, 303), Met.REFUSAL, "web-shut"),
        ("http", web(204, 303), Met.ANSWERS, "answers"),
        ("http", web(200, 303, type="application/dicom+json", count=0), Met.ANSWERS, "answers"),
        ("http", web(401, 200), Met.ANSWERS, "status-200"),  # the page with the list of studies
        ("http", [*web(401, 303), http("/dicom/", 200, "listing", links=3)], Met.ANSWERS, "web-shut"),
        ("http", web(503, 503), Met.NOTHING, "status-503"),  # shut, and takes strangers for somebody still
        ("http", web(421, 421), Met.NOTHING, "status-421"),
        ("http", web(401, 303)[:2], Met.NOTHING, "web-shut"),  # cut short
        ("http", [seen("http", Outcome.REFUSED, {"method": "get", "path": "/"})], Met.NOTHING, "closed"),
        ("http", [], Met.NOTHING, "nothing"),
    ],
)  # fmt: skip
def test_what_was_met_is_told_apart(
    listener: str, observations: list[Observation], met: Met, saw: str
) -> None:
    judged = judge(listener, observations)
    assert judged[:2] == (met, saw)
    assert bool(judged[2]) == (met is Met.ANSWERS and saw != "status-200")


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("127.0.0.1", "127.0.0.1:104"),
        ("192.0.2.7", "192.0.2.7:104"),
        ("0.0.0.0", "127.0.0.1:104"),
        ("::", "[::1]:104"),
    ],
)
def test_what_stands_everywhere_is_asked_on_loopback(address: str, where: str) -> None:
    assert Subject("receive", address, 104, tls=False).where == where
