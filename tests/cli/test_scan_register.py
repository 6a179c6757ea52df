"""What is done with a survey afterwards: show, surveys, evidence, cases, warnings, judgements; lists, configurations."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import reported
from scanned import HERE, Host, holding, hosts, listener, moved_in, register, reports, scope, standing, user
from typer.testing import CliRunner

from leadglass.cli.main import app
from leadglass.home import clock

Run = Callable[..., Any]
THERE = "127.77.0.1"  # where no other test listens


@pytest.fixture(autouse=True)
def _here(place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The account of somebody who surveyed every kind of host a minute ago."""
    account = tmp_path_factory.mktemp("estate")
    with user(account), register() as known:
        reported.fill(known, account, clock() - 60_000)
    return account


@pytest.fixture
def surveyed(estate: Path) -> None:
    moved_in(estate)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The account of somebody who scanned one open port, at which nobody is any more."""
    account = tmp_path_factory.mktemp("one")
    with user(account), standing(holding(7), host=THERE) as port:
        (account / "scope.toml").write_text(
            scope(targets__hosts=f'["{THERE}:{port}"]', limits__max_level='"count"')
        )
        result = CliRunner().invoke(app, ["scan", "--scope", str(account / "scope.toml")])
        assert result.exit_code == 1, result.output
    return account, port


@pytest.fixture
def where(one: tuple[Path, int]) -> str:
    moved_in(one[0])
    return f"{THERE}:{one[1]}"


def day(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


# --- show, surveys -------------------------------------------------------------------------------------------


def test_a_survey_is_shown_again(run: Run, where: str) -> None:
    ran = run("scan", "show")
    assert ran.code == 0
    assert re.match(rf":{where.split(':')[1]}  F  ANSWERS STRANGERS  7 studies.  Nothing copied.", ran.out)
    assert run("scan", "show", "--survey", "1").out == ran.out
    assert run("scan", "show", "--survey", "2").code == 1


@pytest.mark.parametrize("form", ["json", "csv", "intelmq", "misp", "html"])
def test_every_export_can_be_printed(run: Run, surveyed: None, form: str) -> None:
    ran = run("scan", "show", "--format", form)
    assert ran.code == 0
    assert "10.1.0.7" in ran.out
    if form in {"json", "misp"}:
        assert json.loads(ran.out)
    elif form == "csv":
        assert len({len(row) for row in csv.reader(io.StringIO(ran.out))}) == 1
    elif form == "intelmq":
        assert all(json.loads(line)["feed.name"] for line in ran.out.splitlines())
    else:
        assert ran.out.startswith("<!doctype html>")


def test_a_format_that_there_is_not(run: Run, surveyed: None) -> None:
    assert run("scan", "show", "--format", "pdf").code == 2


def test_reports_are_written_anew(run: Run, surveyed: None, tmp_path: Path) -> None:
    ran = run("scan", "show", "--out", tmp_path / "out")
    assert f"Report {tmp_path}/out/report.html" in ran.out.replace("\n", "")
    assert len(list((tmp_path / "out").glob("letter-*.html"))) == 4


def test_what_does_not_count_is_said(run: Run) -> None:
    """A port that agrees to everything is shown, marked and left out; overruled, it counts."""
    with standing(Host(holding(7).find)) as port:
        ran = run("scan", f"{HERE}:{port}")
    assert ran.code == 0
    assert "Does not count: likely no archive." in ran.out
    assert "1 host left out: likely no archive." in ran.err
    listed = run("scan", "overrule")
    key = next(word for word in listed.out.split() if word.startswith("honeypot/"))
    assert "Honeypots agree to" in listed.out
    done = run("scan", "overrule", key, "--reason", "ours, set to take everything", "--until", day(30))
    assert done.code == 0
    lines = run("scan", "overrule").out.splitlines()
    at = lines.index(key)  # on a line of its own, to be copied
    assert lines[at + 1].startswith("  likely: ") or lines[at + 1].startswith("  hint: ")
    assert lines[at + 2].endswith(f" until {day(30)}: ours, set to take everything")
    for doubt in run("scan", "overrule", "--json").json:
        run("scan", "overrule", doubt["key"], "--reason", "ours", "--until", day(30))
    assert all(doubt["overruled"] for doubt in run("scan", "overrule", "--json").json)
    again = run("scan", "show")
    assert "Does not count" not in again.out
    assert "left out" not in again.err


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ((), 1),
        (("--reason", "x"), 1),
        (("--until", "2999-01-01"), 1),
        (("--reason", " ", "--until", "2999-01-01"), 1),
        (("--reason", "x", "--until", "2020-01-01"), 1),
        (("--reason", "x", "--until", "tomorrow"), 2),
    ],
)
def test_overruling_takes_a_reason_and_an_end(
    run: Run, surveyed: None, more: tuple[str, ...], code: int
) -> None:
    key = run("scan", "overrule", "--json").json[0]["key"]
    assert run("scan", "overrule", key, *more).code == code
    assert not any(doubt["overruled"] for doubt in run("scan", "overrule", "--json").json)


def test_what_nobody_doubts_is_not_overruled(run: Run, surveyed: None) -> None:
    ran = run("scan", "overrule", "honeypot/none", "--reason", "x", "--until", day(1))
    assert (ran.code, "makes no such judgement" in ran.err) == (1, True)


def test_nothing_to_doubt(run: Run, where: str) -> None:
    assert run("scan", "overrule").out.strip() == "The last survey doubts nothing."
    assert run("scan", "overrule", "--json").json == []


def test_surveys_are_listed_newest_first(run: Run, where: str) -> None:
    run("scan", "--verify")
    first, second = run("scan", "surveys", "--json").json
    assert (first["kind"], second["kind"]) == ("retest", "survey")
    assert (second["grade"], second["answering"], second["hosts"]) == ("F", 1, 1)
    listed = run("scan", "surveys").out
    assert "second look" in listed and "Open to strangers" in listed


@pytest.mark.parametrize(
    "command", [("show",), ("evidence", "127.0.0.1:1"), ("overrule",), ("warn", "--way", "mail")]
)
def test_before_the_first_survey(run: Run, command: tuple[str, ...]) -> None:
    ran = run("scan", *command)
    assert (ran.code, ran.err.strip()) == (1, "There is no such survey in the register.")


def test_an_empty_register_has_empty_lists(run: Run) -> None:
    said = {
        "surveys": "There is no survey yet.",
        "cases": "Nothing is open.",
        "warnings": "Nobody was told yet.",
    }
    for command, sentence in said.items():
        assert run("scan", command, "--json").json == []
        ran = run("scan", command)
        assert (ran.code, ran.out.strip()) == (0, sentence)


# --- evidence ------------------------------------------------------------------------------------------------


def test_evidence_of_one_port(run: Run, where: str, tmp_path: Path) -> None:
    ran = run("scan", "evidence", where)
    path = reports(1) / f"evidence-{where.replace(':', '-')}.html"
    assert ran.out.strip() == f"Evidence {path}"
    text = path.read_text()
    for said in ("45 CFR 164.402", "exactly 7", "none was decoded, and none was kept", "GDPR Articles 33"):
        assert said in text
    run("scan", "evidence", where, "--out", tmp_path / "pack", "--survey", "1")
    assert (tmp_path / "pack" / path.name).exists()


@pytest.mark.parametrize(("other", "code"), [("127.0.0.1:9", 1), ("127.0.0.1", 2), ("127.0.0.1:x", 1)])
def test_evidence_of_what_was_not_seen(run: Run, where: str, other: str, code: int) -> None:
    assert run("scan", "evidence", other).code == code


# --- cases ---------------------------------------------------------------------------------------------------


def cases(run: Run, *more: str) -> dict[str, dict[str, Any]]:
    return {case["check"]: case for case in run("scan", "cases", "--json", *more).json}


def test_every_finding_has_a_person_and_a_day(run: Run, where: str) -> None:
    found = cases(run)
    assert set(found) == {"D02", "D03", "D06", "D07"}
    assert {case["person"] for case in found.values()} == {"it@st-example.org"}
    assert found["D07"]["severity"] == "critical"
    assert found["D07"]["due"] < found["D06"]["due"] < found["D02"]["due"]
    listed = run("scan", "cases")
    assert listed.code == 0
    assert listed.out.index("D07") < listed.out.index("D06") < listed.out.index("D02")


def test_a_person_decides(run: Run, where: str) -> None:
    run("scan", "case", where, "--check", "d06", "--state", "acknowledged", "--person", "P. Adams")
    assert (cases(run)["D06"]["state"], cases(run)["D06"]["person"]) == ("acknowledged", "P. Adams")
    assert cases(run)["D07"]["state"] == "open"
    run("scan", "case", where, "--due", day(5))
    assert {case["due"][:10] for case in cases(run).values()} == {day(5)}
    accepted = run(
        "scan",
        "case",
        where,
        "--check",
        "D02",
        "--state",
        "accepted",
        "--reason",
        "no list",
        "--until",
        day(9),
    )
    assert f"accepted until {day(9)}" in accepted.out
    assert cases(run)["D02"]["reason"] == "no list"


def test_what_is_overdue_is_status_1(run: Run, where: str) -> None:
    run("scan", "case", where, "--check", "D06", "--due", day(-2))
    ran = run("scan", "cases")
    assert ran.code == 1
    assert f"{day(-2)} OVERDUE" in ran.out
    assert [name for name, case in cases(run).items() if case["overdue"]] == ["D06"]
    run("scan", "case", where, "--state", "ignored", "--reason", "no answer", "--until", day(9))
    assert run("scan", "cases").code == 0


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--state", "accepted"), 1),
        (("--state", "accepted", "--reason", "x"), 1),
        (("--state", "ignored", "--reason", "x", "--until", "2020-01-01"), 1),
        (("--state", "accepted", "--reason", "x", "--until", "2999-01-01"), 1),
        (("--state", "fixed"), 1),
        (("--person", " "), 1),
        (("--check", "D99"), 1),
        (("--state", "done"), 2),
        (("--due", "soon"), 2),
    ],
)
def test_what_is_no_decision_changes_nothing(run: Run, where: str, more: tuple[str, ...], code: int) -> None:
    before = cases(run)
    assert run("scan", "case", where, *more).code == code
    assert cases(run) == before


def test_what_is_fixed_is_shown_on_request(run: Run, where: str) -> None:
    assert run("scan", "--verify").code == 0
    assert run("scan", "cases").out.strip() == "Nothing is open."
    assert {case["state"] for case in cases(run, "--all").values()} == {"fixed"}


# --- warnings ------------------------------------------------------------------------------------------------


def test_one_message_per_owner_goes_on_record(run: Run, surveyed: None) -> None:
    ran = run("scan", "warn", "--way", "mail")
    assert ran.code == 0
    told = run("scan", "warnings", "--json").json
    assert len(told) == 4
    by_owner = {each["owner"]: each for each in told}
    assert by_owner["St. Example Hospital"]["addresses"] == ["10.1.0.10", "10.1.0.11", "10.1.0.14"]
    assert by_owner["2001:db8::7"]["contact"] == ""
    assert {each["way"] for each in told} == {"mail"}
    assert "not known" in run("scan", "warnings").out
    assert f"Their letters are in {reports(1)}" in ran.err.replace("\n", " ")
    assert len(list(reports(1).glob("letter-*.txt"))) == 4


def test_only_one_owner_by_name_contact_or_address(run: Run, surveyed: None) -> None:
    for asked in ("markt", "PRAXIS@", "10.1.0.7"):
        run("scan", "warn", "--way", "phone", "--owner", asked)
    told = run("scan", "warnings", "--json").json
    assert [each["owner"] for each in told] == ["Radiologie am Markt"] * 3
    assert run("scan", "warn", "--way", "phone", "--owner", "nobody").code == 1


def test_letters_in_the_language_that_is_asked_for(run: Run, surveyed: None) -> None:
    run("scan", "warn", "--way", "cert", "--language", "de")
    assert all("Sehr geehrte" in path.read_text() for path in reports(1).glob("letter-*.txt"))
    run("scan", "warn", "--way", "cert", "--language", "en")
    assert all("Dear Sir" in path.read_text() for path in reports(1).glob("letter-*.txt"))


@pytest.mark.parametrize("wrong", [("--way", "pigeon"), ("--way", "mail", "--language", "fr"), ()])
def test_a_way_that_there_is_not(run: Run, surveyed: None, wrong: tuple[str, ...]) -> None:
    assert run("scan", "warn", *wrong).code == 2
    assert run("scan", "warnings", "--json").json == []


def test_contacts_from_files_that_the_operator_fetched(run: Run, tmp_path: Path) -> None:
    """Where the constituency file names none; what cannot be read is said and harms nothing."""
    contacts = tmp_path / "contacts"
    contacts.mkdir()
    (contacts / "127.0.0.1.security.txt").write_text("Contact: mailto:security@st.example\n")
    (contacts / "broken.rdap.json").write_text("{}")
    Path("owners.csv").write_text("cidr,organisation\n127.0.0.0/8,St. Example\n")
    with standing(holding(7)) as port:
        Path("scope.toml").write_text(scope(targets__hosts=hosts(port), reports__constituency='"owners.csv"'))
        ran = run("scan", "--scope", "scope.toml")
    assert "broken.rdap.json: That is no RDAP answer" in ran.err.replace("\n", " ")
    run("scan", "warn", "--way", "mail")
    (told,) = run("scan", "warnings", "--json").json
    assert told["contact"] == "security@st.example"


# --- list, inside --------------------------------------------------------------------------------------------


def test_a_passive_list_sends_nothing(run: Run) -> None:
    with listener() as there:
        Path("export.json").write_text(
            json.dumps({"ip_str": HERE, "port": there.port, "product": "Orthanc"}) + "\n"
        )
        Path("hosts.txt").write_text(f"{HERE}:{there.port}\npacs.example.org:104\n")
        Path("owners.csv").write_text("cidr,organisation,contact\n127.0.0.0/8,St. Example,it@st.example\n")
        ran = run("scan", "list", "export.json", "hosts.txt", "--constituency", "owners.csv", "--json")
        assert there.came() == 0
    found = ran.json
    assert found[0] == {
        "host": HERE, "port": there.port, "note": "Orthanc", "owner": "St. Example",
        "contact": "it@st.example",
    }  # fmt: skip
    assert found[-1]["owner"] == ""
    assert "pacs.example.org" in run("scan", "list", "hosts.txt").out


@pytest.mark.parametrize(
    ("name", "content"),
    [("none.txt", None), ("bad.txt", b"a b c"), ("bad.json", b'[{"ip": 1'), ("x.xml", b"<?xml")],
)
def test_a_list_that_cannot_be_read(run: Run, name: str, content: bytes | None) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    ran = run("scan", "list", name)
    assert (ran.code, ran.out) == (1, "")


def test_what_a_configuration_lets_strangers_do(run: Run) -> None:
    Path("orthanc.json").write_text('{"DicomAlwaysAllowFind": true, "RemoteAccessAllowed": false}')
    ran = run("scan", "inside", "orthanc.json")
    assert ran.code == 1
    assert "Orthanc" in ran.out
    assert "Port 4242, dicom: a stranger gets to level 3 (answers)" in ran.out
    assert "D06" in ran.out
    assert "DicomAlwaysAllowFind = true" in ran.out
    assert "orthanc.json:1" in ran.out
    Path("orthanc.json").write_text('{"RemoteAccessAllowed": false, "DicomServerEnabled": false}')
    shut = run("scan", "inside", "orthanc.json", "--json")
    assert shut.code == 0
    assert shut.json["program"] == "orthanc"


def test_what_is_no_configuration(run: Run) -> None:
    Path("x").write_text("hello")
    assert run("scan", "inside", "x").code == 1
    assert run("scan", "inside", "y").code == 1
