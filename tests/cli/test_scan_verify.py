"""`leadglass scan --verify`, `scan closed` and `scan watch`: before and after, and what is different."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from demo_process import old_pacs
from scanned import HERE, Host, holding, hosts, register, reports, scope, standing
from strangers import reject

from leadglass.cli import scan_watch
from leadglass.errors import Violation
from leadglass.scan.register import Kind

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _here(place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shut(host: Host) -> None:
    """Whoever ran it has entered a list of AE titles."""
    host.calling = ()


class Busy(Host):
    """Turns everybody away for the time being once `full`."""

    full = False

    def turns_down(self, request: bytes) -> bytes | None:
        return reject(2, 3, 2) if self.full else super().turns_down(request)


# --- the verified fix ----------------------------------------------------------------------------------------


def test_the_old_pacs_is_gone_and_everybody_can_check_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the open finding to the proof, and the proof on another machine."""
    with old_pacs() as pacs:
        where = f"{HERE}:{pacs.port}"
        assert run("scan", where).code == 1
        still = run("scan", "--verify")
        assert (still.code, "F → F  STILL OPEN  answers" in still.out) == (1, True)
        assert run("scan", "--verify", where, "--json").json[0]["closed"] is False
    ran = run("scan", "--verify")
    assert ran.code == 0
    proof = reports(4) / "closed.json"
    assert f":{pacs.port}  F → –  closed " in ran.out
    assert f"UTC  proof {proof}" in ran.out.replace("\n", "")
    assert run("scan", "--verify", "--json").json[0]["proof"] is not None
    last, *_, first = run("scan", "surveys", "--json").json
    assert (first["hosts"], last["hosts"]) == (1, 0)  # nobody answers there any more
    checked = run("scan", "closed", proof)
    assert checked.code == 0
    assert f"{where}: F (answers) at" in checked.out
    key = checked.out.split("Signed with ")[1].strip()
    monkeypatch.setenv("LEADGLASS_SCAN", str(tmp_path / "elsewhere"))
    refused = run("scan", "closed", proof)
    assert (refused.code, "--key KEY" in refused.err, (tmp_path / "elsewhere").exists()) == (1, True, False)
    elsewhere = run("scan", "closed", proof, "--key", key, "--json")
    assert (elsewhere.code, elsewhere.json["closed"], elsewhere.json["key"]) == (0, True, key)


def test_who_refuses_strangers_now_has_a_better_grade(run: Run) -> None:
    host = holding(7)
    with standing(host) as port:
        run("scan", f"{HERE}:{port}")
        shut(host)
        ran = run("scan", "--verify")
    assert ran.code == 0
    assert f":{port}  F → A  closed " in ran.out
    with register() as known:
        assert known.surveys(1)[0].kind is Kind.RETEST


def test_a_forged_proof_is_refused(run: Run) -> None:
    host = holding(7)
    with standing(host) as port:
        run("scan", f"{HERE}:{port}")
        shut(host)
        run("scan", "--verify")
    proof = reports(2) / "closed.json"
    sound = json.loads(proof.read_text())
    for path, value in {
        ("closure", "port"): 104,
        ("closure", "vantage"): "elsewhere",
        ("closure", "after", "grade"): "B",
        ("closure", "before", "observations"): sound["closure"]["after"]["observations"],
        ("note",): sound["note"].replace("before", "after", 1),
    }.items():
        forged = json.loads(proof.read_text())
        place = forged
        for name in path[:-1]:
            place = place[name]
        assert place[path[-1]] != value
        place[path[-1]] = value
        Path("forged.json").write_text(json.dumps(forged))
        ran = run("scan", "closed", "forged.json")
        assert (ran.code, ran.out) == (1, ""), path
    assert run("scan", "closed", proof).code == 0


def test_who_is_busy_has_shown_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadglass.scan.survey._BUSY_SECONDS", 0)
    host = Busy(holding(7).find, services=holding(7).services)
    with standing(host) as port:
        run("scan", f"{HERE}:{port}")
        host.full = True
        ran = run("scan", "--verify")
        assert ran.code == 1
        assert "F → –  NOT SHOWN: ask again  busy" in ran.out
        assert not list(reports(2).glob("closed*"))
        assert run("scan", "cases", "--json").json


def test_only_some_of_them(run: Run) -> None:
    first, second = holding(7), holding(8)
    with standing(first) as one, standing(second) as two:
        run("scan", f"{HERE}:{one}", f"{HERE}:{two}")
        shut(first)
        asked = len(second.titles)
        ran = run("scan", "--verify", f"{HERE}:{one}")
        assert (ran.code, len(second.titles)) == (0, asked)
        both = run("scan", "--verify")
        assert both.code == 1
        assert f":{one}  F → A  closed" in both.out
        assert re.search(rf":{two}  F → F  STILL OPEN +answers", both.out)
        shut(second)
        assert run("scan", "--verify").code == 0
    assert {path.name for path in reports(4).glob("closed*")} == {
        f"closed-127.0.0.1-{one}.json",
        f"closed-127.0.0.1-{two}.json",
    }


def test_an_earlier_survey_can_be_verified(run: Run) -> None:
    """Another survey in between does not make it forgotten."""
    host = holding(7)
    with standing(host) as port:
        run("scan", f"{HERE}:{port}")
        assert run("scan", f"{HERE}:1").code == 0
        assert run("scan", "--verify").out.strip() == "Survey 2 found nothing open."
        shut(host)
        ran = run("scan", "--verify", "--survey", "1")
    assert (ran.code, f":{port}  F → A  closed" in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("127.0.0.1:9",), 1, "The survey did not find that open: 127.0.0.1:9."),
        (("--survey", "9"), 1, "no such survey"),
        (("--scope", "scope.toml"), 2, "A second look keeps to the survey's scope."),
        (("--anew",), 2, "A second look keeps to the survey's scope."),
        (("--vantage", "elsewhere"), 1, "A fix is shown from the place from which it was seen"),
    ],
)
def test_what_cannot_be_verified(run: Run, more: tuple[str, ...], code: int, said: str) -> None:
    host = holding(7)
    with standing(host) as port:
        run("scan", f"{HERE}:{port}")
        asked = len(host.titles)
        ran = run("scan", "--verify", *more)
        assert (ran.code, said in ran.err.replace("\n", " ")) == (code, True)
        assert len(host.titles) == asked


def test_an_expired_scope_verifies_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    host = holding(7)
    with standing(host) as port:
        run("scan", f"{HERE}:{port}")
        asked = len(host.titles)
        from leadglass.home import clock

        monkeypatch.setattr("leadglass.home.clock", lambda: clock() + 3 * 86_400_000)
        ran = run("scan", "--verify")
        said = "The scope has expired" in ran.err and "Survey again" in ran.err
        assert (ran.code, said, len(host.titles)) == (1, True, asked)


# --- watch ---------------------------------------------------------------------------------------------------


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens instead of waiting between two surveys, in turn."""
    todo: list[Callable[[], None]] = []
    monkeypatch.setattr(scan_watch.time, "sleep", lambda _: todo.pop(0)())
    return todo


def watched(run: Run, port: int, times: int, *more: str) -> Any:
    Path("scope.toml").write_text(scope(targets__hosts=hosts(port)))
    return run("scan", "watch", "--scope", "scope.toml", "--every", "1h", "--times", str(times), *more)


def test_differences_only(run: Run, between: list[Callable[[], None]]) -> None:
    host = holding(7)
    with standing(host) as port:
        between += [lambda: None, lambda: shut(host)]
        ran = watched(run, port, 3)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].endswith("nothing has changed")
    assert lines[1] == f"127.0.0.1:{port}  answers → refuses-strangers  closed"
    assert len(lines) == 2
    assert "there is nothing to compare it with" in ran.err
    assert (reports(3) / "report.html").exists()


def test_what_a_survey_leaves_behind_goes_before_the_next(
    run: Run, between: list[Callable[[], None]]
) -> None:
    """The collector does not look at what is concluded, but a watch of months must not keep it all."""
    kept: list[int] = []
    between.append(lambda: kept.append(gc.get_freeze_count()))
    with standing(holding(7)) as port:
        watched(run, port, 2)
    assert kept == [0]


def test_a_survey_that_cannot_be_concluded_leaves_the_collector_on(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise Violation("No.")

    monkeypatch.setattr("leadglass.scan.results.load", fails)
    with standing(holding(7)) as port:
        assert watched(run, port, 1).code == 1
    assert gc.isenabled()


def test_what_opened_is_status_1(run: Run, between: list[Callable[[], None]]) -> None:
    host = holding(7, calling=())

    def opens() -> None:
        host.calling = None

    with standing(host) as port:
        between.append(opens)
        ran = watched(run, port, 2, "--json")
    assert ran.code == 1
    assert json.loads(ran.out) == [
        {
            "address": HERE, "port": port, "before": "refuses-strangers", "after": "answers",
            "what": "opened",
        }
    ]  # fmt: skip


def test_a_scope_that_expires_ends_it(run: Run, between: list[Callable[[], None]]) -> None:
    def expires() -> None:
        Path("scope.toml").write_text(
            scope(targets__hosts=hosts(port), authorisation__valid_from="2020-01-01",
                  authorisation__valid_to="2020-01-02")
        )  # fmt: skip

    host = holding(7)
    with standing(host) as port:
        between.append(expires)
        ran = watched(run, port, 2)
        assert (ran.code, "has expired" in ran.err) == (1, True)


def test_another_vantage_is_another_survey(run: Run) -> None:
    with standing(holding(7)) as port:
        watched(run, port, 1, "--vantage", "inside")
        ran = watched(run, port, 1, "--vantage", "outside")
    assert "nothing to compare it with" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("every", ["0m", "soon", "1w", "-1h", "99999d"])
def test_how_often(run: Run, every: str) -> None:
    assert run("scan", "watch", "--scope", "x", "--every", every).code == 2
