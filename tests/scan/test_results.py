"""A survey of the register, concluded anew: with today's owners, and no more than it went through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import reported
from observed import dcmqrscp_open

from leadglass.db import migrations
from leadglass.db.sqlcipher import SealedFile
from leadglass.errors import NotFound, Unavailable, Violation
from leadglass.scan import results
from leadglass.scan.casebook import Warned, Way
from leadglass.scan.constituency import Owner
from leadglass.scan.followup import CaseState, decide
from leadglass.scan.register import Judgement, Register, Tally
from leadglass.scan.results import keep, load, read_file, require_owners

NOW = reported.NOW


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    path = tmp_path / "register.db"
    migrations.upgrade(SealedFile(path, bytes(32)), migrations.REGISTER)
    made = Register(SealedFile(path, bytes(32)).open(readers=2))
    yield made
    made.close()


def test_it_is_concluded_from_what_was_seen(register: Register, tmp_path: Path) -> None:
    survey = reported.fill(register, tmp_path, NOW)
    result = load(register, survey, NOW)
    assert result.is_open
    assert [host.address for host in result.network.hosts] == [
        host.address for host in reported.network().hosts
    ]
    assert result.about.tally.refused == 400 * survey.blocks
    assert result.unread == ()


def test_owners_are_those_of_today(register: Register, tmp_path: Path) -> None:
    survey = reported.fill(register, tmp_path, NOW)
    reported.write_owners(tmp_path / "owners.csv", [Owner("10.1.0.0/24", "Somebody else")])
    hosts = load(register, survey, NOW).network.hosts
    assert {host.owner.organisation for host in hosts if host.owner} == {"Somebody else"}


def test_a_contact_that_was_fetched_fills_a_gap_and_no_more(register: Register, tmp_path: Path) -> None:
    owners = [Owner("10.1.0.0/24", "A"), Owner("10.1.0.8/32", "B", contact="own@b.example")]
    survey = reported.fill(register, tmp_path, NOW, owners=owners)
    contacts = tmp_path / "contacts"
    contacts.mkdir()
    for address in ("10.1.0.7", "10.1.0.8"):
        (contacts / f"{address}.security.txt").write_text("Contact: mailto:fetched@x.example")
    (contacts / "notes.md").write_text("not for us")
    (contacts / "x.rdap.json").write_text('{"entities": [{"vcardArray": []}]}')
    (contacts / "pacs.x.example.security.txt").write_text("Contact: mailto:fetched@x.example")
    result = load(register, survey, NOW)
    owned = {host.address: host.owner for host in result.network.hosts if host.owner}
    assert owned["10.1.0.7"].contact == "fetched@x.example"
    assert owned["10.1.0.9"].contact == ""
    assert [sentence.rpartition("/contacts/")[2].partition(". ")[0] for sentence in result.unread] == [
        "pacs.x.example.security.txt: 'pacs.x.example' is no range of addresses",
        "x.rdap.json: That is no RDAP answer about a network.",
    ]


def test_a_constituency_file_that_is_gone_takes_nothing_with_it(register: Register, tmp_path: Path) -> None:
    """Before the first packet it is asked for; afterwards, what was seen is shown without owners."""
    survey = reported.fill(register, tmp_path, NOW)
    scope = load(register, survey, NOW).about.scope
    require_owners(scope, tmp_path)
    for spoil in (lambda path: path.write_text("name,owner\n"), Path.unlink):
        spoil(tmp_path / "owners.csv")
        with pytest.raises(Violation):
            require_owners(scope, tmp_path)
        result = load(register, survey, NOW)
        assert len(result.network.hosts) == len(reported.everybody())
        assert {host.owner for host in result.network.hosts} == {None}
        assert [sentence.partition(":")[0] for sentence in result.unread] == ["Owners are not known"]


def test_what_was_overruled_counts_until_its_end(register: Register, tmp_path: Path) -> None:
    survey = reported.fill(register, tmp_path, NOW)
    key = load(register, survey, NOW).network.doubts[0].key
    register.overrule(Judgement(key, NOW, NOW + 10, "me", "ours"))
    assert key in load(register, survey, NOW).about.overruled
    assert key not in load(register, survey, NOW + 10).about.overruled


def test_the_trend_is_of_the_same_networks_from_the_same_place(register: Register, tmp_path: Path) -> None:
    first = reported.fill(register, tmp_path, NOW - reported.DAY)
    other = reported.fill(register, tmp_path, NOW, doors=[("10.1.0.200", (104,))])
    second = reported.fill(register, tmp_path, NOW)
    (before,) = load(register, second, NOW).about.earlier
    assert (before.started, before.answering, before.grade) == (first.started, 5, "F")
    assert load(register, other, NOW).about.earlier == ()


def test_a_survey_that_was_stopped_fixes_nothing(register: Register, tmp_path: Path) -> None:
    """Nobody knows whom it had not asked yet."""
    reported.fill(register, tmp_path, NOW)
    known = register.casebook.cases()
    survey = register.survey()
    stopped = register.begin(
        survey.scope, survey.plan, survey.blocks, survey.vantage, NOW, folder=survey.folder
    )
    keep(register, load(register, stopped, NOW))
    assert register.casebook.cases() == known
    assert register.survey().summary is None
    register.finish(stopped.id, NOW)
    keep(register, load(register, register.survey(), NOW))
    assert {case.state for case in register.casebook.cases()} == {CaseState.FIXED}


@pytest.mark.parametrize(
    ("tally", "way"), [(Tally(0, 0, 400), False), (Tally(1, 0, 399), True), (Tally(0, 1, 399), True)]
)
def test_a_survey_from_a_machine_without_a_network_fixes_nothing(
    register: Register, tmp_path: Path, tally: Tally, way: bool
) -> None:
    first = reported.fill(register, tmp_path, NOW)
    known = register.casebook.cases()
    again = register.begin(first.scope, first.plan, first.blocks, first.vantage, NOW, folder=first.folder)
    register.block_done(again.id, 0, tally).result()
    register.finish(again.id, NOW)
    result = load(register, register.survey(), NOW)
    keep(register, result)
    assert result.had_no_way is not way
    assert (register.casebook.cases() == known) is not way


def test_what_a_person_decides_is_kept(register: Register, tmp_path: Path) -> None:
    reported.fill(register, tmp_path, NOW)
    book = register.casebook
    (changed,) = book.change("10.1.0.7", 104, "D07", lambda case: decide(case, NOW, person="P. Adams"))
    assert changed.person == "P. Adams"
    assert len(book.change("10.1.0.7", 104, "", lambda case: decide(case, NOW, due=NOW))) > 3
    urgent = [case for case in book.cases() if case.due == NOW]
    assert {case.address for case in urgent} == {"10.1.0.7"}
    assert book.cases()[: len(urgent)] == urgent
    with pytest.raises(NotFound):
        book.change("10.1.0.7", 105, "", lambda case: case)


def test_a_decision_that_is_refused_changes_nothing(register: Register, tmp_path: Path) -> None:
    reported.fill(register, tmp_path, NOW)
    before = register.casebook.cases()
    with pytest.raises(Violation):
        register.casebook.change("10.1.0.7", 104, "", lambda case: decide(case, NOW, state=CaseState.FIXED))
    assert register.casebook.cases() == before


def test_warnings_are_kept_in_their_order(register: Register, tmp_path: Path) -> None:
    survey = reported.fill(register, tmp_path, NOW, [("10.1.0.7", dcmqrscp_open(address="10.1.0.7"))])
    told = [
        Warned(survey.id, NOW + n, f"Owner {n}", "", way, "me", ("10.1.0.7",)) for n, way in enumerate(Way)
    ]
    for each in told:
        register.casebook.warn(each)
    assert register.casebook.warnings() == told


def test_files_that_a_scope_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a") == b"12345"
    with pytest.raises(Violation):
        read_file(tmp_path / "none")
    with pytest.raises(Unavailable):
        read_file(tmp_path)
    monkeypatch.setattr(results, "LARGEST", 4)
    with pytest.raises(Violation):
        read_file(tmp_path / "a")
