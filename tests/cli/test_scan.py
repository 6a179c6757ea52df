"""`leadglass scan HOST:PORT…` and `--scope FILE`, against listeners of the test's own on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from demo_process import OldPacs, old_pacs
from scanned import HERE, Host, holding, hosts, listener, register, reports, scope, standing
from web_server import response

from leadglass.demo.people import PEOPLE, Person
from leadglass.scan.observation import Outcome
from leadglass.scan.register import Kind
from leadglass.scan_home import register_folder, scopes_folder

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _here(place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of an empty account, in a folder of their own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def pacs() -> Iterator[OldPacs]:
    with old_pacs() as made:
        yield made


def words(person: Person) -> list[str]:
    """What could be found of somebody: parts of the name, the ID, the birth date."""
    return [part for part in re.split("[=^]", person.name) if len(part) > 3] + [
        person.patient_id,
        person.born,
    ]


def lay_down(text: str, name: str = "mine.toml") -> Path:
    folder = scopes_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


# --- what is named on the command line -----------------------------------------------------------------------


def test_an_open_port_and_one_that_refuses_strangers(run: Run) -> None:
    """Whoever names two ports of this machine gets a scope for a day, shown, that never counts."""
    refusing, answering = Host(calling=()), holding(7)
    with standing(refusing) as shut, standing(answering) as opened:
        ran = run("scan", f"{HERE}:{opened}", f"{HERE}:{shut}")
    assert ran.code == 1
    lines = ran.out.splitlines()
    first, second = sorted(lines[:2], key=lambda line: "REFUSES" in line)
    assert re.match(rf":{opened} +F  ANSWERS STRANGERS  a question that matches nothing was answered", first)
    assert re.match(rf":{shut} +A  REFUSES STRANGERS  calling AE title not recognised", second)
    assert "1 host, 2 ports, as far as query." in ran.err
    assert "Authorised by whoever ran the command." in ran.err
    folder = reports(1)
    assert f"Report {folder}/report.html\nLetter to the owner {folder}/letter.html\n" in ran.out
    for keys in answering.asked:
        assert not set(keys) & {0x00100010, 0x00100020, 0x00100030}
    assert {path.name for path in folder.iterdir()} == {
        "report.html", "report.json", "findings.csv", "intelmq.jsonl", "misp.json", "letter.txt",
        "letter.html",
    }  # fmt: skip


def test_nobody_but_their_owner_reads_the_files(run: Run) -> None:
    with standing(holding(1)) as port:
        run("scan", f"{HERE}:{port}")
    for folder in (register_folder(os.environ), reports(1)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_refuses_strangers_is_status_0(run: Run) -> None:
    with standing(Host(calling=())) as port:
        ran = run("scan", f"{HERE}:{port}")
    assert ran.code == 0
    assert "A  REFUSES STRANGERS" in ran.out
    assert "Letter" not in ran.out


def test_files_that_lie_open_are_status_1(run: Run) -> None:
    """No query was answered, and patients' images can be fetched."""
    page = b'<title>Index of /</title><h1>Index of /</h1><a href="IM1.dcm">IM1.dcm</a> <a href="IM2.dcm">IM2.dcm</a>'
    answer = response(page, "Content-Type: text/html", "Connection: close")

    async def index(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read(1 << 16)
        writer.write(answer if asked.startswith(b"GET ") else response(status="400 Bad Request"))
        await writer.drain()

    with standing(index) as port:
        ran = run("scan", f"{HERE}:{port}")
    assert f":{port}  F  WEB SERVER  DICOM files lie open on a web server" in ran.out
    assert ran.code == 1
    letter = (reports(1) / "letter.txt").read_text()
    assert "One of your imaging systems lets strangers further in" in letter
    assert "4. Tell your data protection officer" in letter


def test_nobody_is_there(run: Run) -> None:
    ran = run("scan", f"{HERE}:1")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "Nobody answered.")


def test_no_way_to_anybody_is_told_from_nobody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_way(address: str, port: int, seconds: float) -> Outcome:
        return Outcome.UNREACHABLE

    monkeypatch.setattr("leadglass.scan.survey.knock", no_way)
    ran = run("scan", f"{HERE}:1")
    assert ran.out.splitlines()[0] == "Nobody was reached: from here there is no way to any of them."


def test_json_is_the_report_alone(run: Run) -> None:
    with standing(holding(7)) as port:
        ran = run("scan", f"{HERE}:{port}", "--json")
    assert ran.code == 1
    (host,) = ran.json["hosts"]
    assert host["ports"][0]["verdict"] == "answers"
    assert ran.json["network"]["grade"] == "F"
    assert json.loads((reports(1) / "report.json").read_text())["hosts"] == ran.json["hosts"]


def test_reports_go_where_they_are_wanted(run: Run, tmp_path: Path) -> None:
    with standing(holding(7)) as port:
        ran = run("scan", f"{HERE}:{port}", "--out", tmp_path / "here")
    assert f"Report {tmp_path}/here/report.html" in ran.out.replace("\n", "")
    assert (tmp_path / "here" / "letter.html").exists()


def test_an_ipv6_address(run: Run) -> None:
    with standing(holding(7), host="::1") as port:
        ran = run("scan", f"[::1]:{port}")
    assert ran.code == 1
    assert f":{port}  F  ANSWERS STRANGERS" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "run"),
        ("scan", "127.0.0.1:1", "--scope", "scope.toml"),
        ("scan", "127.0.0.1:1", "--survey", "1"),
        ("scan", "--nonsense"),
    ],
)
def test_wrong_use(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == 2


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("8.8.8.8:104", "8.8.8.8 is reached from the internet. That takes a scope"),
        ("[2a00::1]:104", "2a00::1 is reached from the internet."),
        ("134744072:104", "8.8.8.8 is reached from the internet."),
        ("127.0.0.1:0", "A port is a number"),
        ("127.0.0.1:x", "A port is a number"),
        ("[::ffff:127.0.0.1]:104", "is neither HOST nor HOST:PORT"),
        ("no such host", "is neither HOST nor HOST:PORT"),
        ("127.0.0.1/8", "is neither HOST nor HOST:PORT"),
    ],
)
def test_what_is_refused_before_the_first_packet(run: Run, target: str, said: str) -> None:
    """A second target that could be asked is not asked either."""
    with listener() as other:
        ran = run("scan", f"{HERE}:{other.port}", target)
        assert other.came() == 0
    assert ran.code == 1
    assert said in ran.err.replace("\n", " ")
    with register() as known:
        assert known.surveys() == []


# --- the demo's old PACS -------------------------------------------------------------------------------------


def test_the_old_pacs_is_counted_and_nothing_of_its_patients_is_kept(
    run: Run, pacs: OldPacs, tmp_path: Path
) -> None:
    """No name, ID or birth date in what is printed or in any file; that they would be found is shown too."""
    lay_down(
        scope(
            targets__hosts=hosts(pacs.port),
            limits__max_level='"count"',
            limits__options='["people", "identifiers"]',
        )
    )
    ran = run("scan", f"{HERE}:{pacs.port}")
    assert ran.code == 1
    assert "F  ANSWERS STRANGERS  60 studies, 21 people; name, birth date, ID" in ran.out
    run("scan", "evidence", f"{HERE}:{pacs.port}")
    files = [path for path in register_folder(os.environ).rglob("*") if path.is_file()]
    assert len(files) > 9
    planted = {word for person in PEOPLE for word in words(person)}
    assert len(planted) > 40
    for path in files:
        content = path.read_bytes()
        assert not [word for word in planted if word.encode() in content], path.name
    assert not [word for word in planted if word in ran.out + ran.err]
    (tmp_path / "control").write_text(f"a line with {min(planted)} in it")
    assert [word for word in planted if word.encode() in (tmp_path / "control").read_bytes()]


def test_a_scope_that_was_laid_down_counts_only_for_what_it_names(run: Run) -> None:
    with standing(holding(7)) as named, standing(holding(9)) as other:
        path = lay_down(scope(targets__hosts=hosts(named), limits__max_level='"count"'))
        ran = run("scan", f"{HERE}:{named}")
        assert f"Scope: {path}" in ran.err
        assert "7 studies" in ran.out
        both = run("scan", f"{HERE}:{named}", f"{HERE}:{other}")
        assert "Scope:" not in both.err
        assert "studies" not in both.out
        assert "as far as query" in both.err
        whole = run("scan", HERE, "--json")
        assert "Scope:" not in whole.err


def test_one_that_has_expired_or_is_broken_is_as_if_it_were_not_there(run: Run) -> None:
    with standing(holding(7)) as port:
        expired = {"authorisation__valid_from": "2020-01-01", "authorisation__valid_to": "2020-01-02"}
        lay_down(scope(targets__hosts=hosts(port), limits__max_level='"count"', **expired))
        lay_down("nonsense", "a.toml")
        ran = run("scan", f"{HERE}:{port}")
    assert "as far as query" in ran.err
    assert "studies" not in ran.out


# --- a scope in a file ---------------------------------------------------------------------------------------


def refused(run: Run, text: str, said: str) -> None:
    Path("scope.toml").write_text(text)
    ran = run("scan", "--scope", "scope.toml")
    assert ran.code == 1
    assert said in ran.err.replace("\n", " "), ran.err
    assert not (register_folder(os.environ) / "surveys").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"authorisation__valid_to": "2020-01-02", "authorisation__valid_from": "2020-01-01"}, "has expired"),
        (
            {"authorisation__valid_from": "2999-01-01", "authorisation__valid_to": "2999-01-02"},
            "not valid yet",
        ),
        ({"authorisation__authorised_by": '""'}, "authorisation.authorised_by is one line"),
        ({"limits__maxlevel": '"count"'}, "A scope has no limits.maxlevel."),
        ({"authorisation__ranges": '["127.0.0.0/9", "127.64.0.0/16"]'}, "overlap"),
        ({"authorisation__ranges": '["10.0.0.0/8"]'}, "127.0.0.1 is to be surveyed and is not authorised."),
        (
            {"targets__ranges": '["127.0.0.0/12"]', "targets__most_addresses": "1000"},
            "If that is meant, say so",
        ),
        ({"authorisation__ranges": '["127.0.0.0/8", "8.8.8.0/24"]'}, "so it has to be signed"),
        ({"limits__options": '["everything"]'}, "limits.options are some of"),
        ({"limits__max_level": '"retrieve"'}, "limits.max_level is one of"),
        ({"reports__constituency": '"owners.csv"'}, "There is no file owners.csv."),
    ],
)
def test_a_scope_that_may_not_be_used_sends_nothing(run: Run, changes: dict[str, str], said: str) -> None:
    with listener() as there:
        refused(run, scope(targets__hosts=hosts(there.port), **changes), said)
        assert there.came() == 0
        socket.create_connection((HERE, there.port)).close()
        assert there.came() == 1  # the control: somebody who comes is counted


def test_who_is_not_to_be_probed_gets_no_packet(run: Run) -> None:
    """Nor does who is outside: three listeners at one port, and one is asked."""
    asked = holding(7)
    with standing(asked, host="127.9.0.7") as port:
        with listener("127.9.0.9", port) as avoided, listener("127.9.1.7", port) as outside:
            Path("scope.toml").write_text(
                scope(
                    targets__ranges='["127.9.0.0/28"]',
                    targets__do_not_probe='["127.9.0.8/30"]',
                    targets__ports=f"[{port}]",
                    targets__hosts=f'["127.9.0.9:{port}"]',
                )
            )
            ran = run("scan", "--scope", "scope.toml", "--json")
            assert "12 hosts, 12 ports" in ran.err
            assert (avoided.came(), outside.came()) == (0, 0)
    assert asked.titles


def test_lists_that_others_made(run: Run) -> None:
    """What a list has and nobody authorised is left out."""
    with standing(holding(7)) as port, listener("127.8.0.1") as outside:
        Path("hosts.txt").write_text(f"127.0.0.1:{port}\n127.8.0.1:{outside.port}\n")
        Path("scope.toml").write_text(
            scope(authorisation__ranges='["127.0.0.0/24"]', targets__lists='["hosts.txt"]')
        )
        ran = run("scan", "--scope", "scope.toml")
        assert outside.came() == 0
    assert "1 host, 1 port" in ran.err
    assert f":{port}  F  ANSWERS STRANGERS" in ran.out


def test_owners_get_one_letter_each(run: Run) -> None:
    """However many hosts; in the language and under the name that the constituency file says."""
    with standing(holding(7)) as one, standing(holding(8), host="127.0.0.2") as two:
        with standing(holding(9), host="127.0.1.1") as three:
            Path("owners.csv").write_text(
                "cidr,organisation,contact,language\n127.0.0.0/24,Klinik am See,it@see.example,de\n"
                "127.0.1.0/24,Praxis,praxis@example.org,\n"
            )
            Path("scope.toml").write_text(
                scope(
                    targets__hosts=f'["127.0.0.1:{one}", "127.0.0.2:{two}", "127.0.1.1:{three}"]',
                    reports__constituency='"owners.csv"',
                )
            )
            ran = run("scan", "--scope", "scope.toml")
    assert "2 letters to owners beside it" in ran.out
    assert "Grade F." in ran.out
    letter = (reports(1) / "letter-klinik-am-see.txt").read_text()
    assert "127.0.0.1" in letter and "127.0.0.2" in letter and "127.0.1.1" not in letter
    assert "Sehr geehrte" in letter
    assert "Dear Sir" in (reports(1) / "letter-praxis.txt").read_text()


def test_a_survey_has_a_kind_a_vantage_and_a_summary(run: Run) -> None:
    with standing(holding(7)) as port:
        run("scan", f"{HERE}:{port}", "--vantage", "outside-1")
        with register() as known:
            survey = known.survey()
    assert (survey.kind, survey.vantage) == (Kind.SURVEY, "outside-1")
    assert survey.summary == {"hosts": 1, "answering": 1, "grade": "F"}


def test_scan_is_short_for_scan_run_and_has_help(run: Run) -> None:
    assert "Find what answers strangers" in run("scan", "--help").out
    assert "--scope" in run("scan", "run", "--help").out
