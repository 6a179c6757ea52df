"""Cases and warnings in the register: what was written is what is read, whole, in its order, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from leadglass.db import migrations
from leadglass.db.sqlcipher import SealedFile
from leadglass.errors import NotFound, Violation
from leadglass.scan.casebook import Casebook, Warned, Way
from leadglass.scan.checks import Severity
from leadglass.scan.followup import Case, CaseState
from leadglass.scan.register import Register

NOW = 1_760_000_000_000
HOST = "10.1.0.7"
FOUND = Case(HOST, 104, "D06", Severity.HIGH, NOW, NOW, CaseState.OPEN, "it@st-example.org", NOW + 14)
ACCEPTED = Case(
    "2001:db8::7",
    11112,
    "D02",
    Severity.MEDIUM,
    NOW - 9,
    NOW - 1,
    CaseState.ACCEPTED,
    "p.adams",
    NOW + 60,
    "modality cannot do it; Geräteliste 山田",
    NOW + 99,
)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Register]]:
    """A function that opens the register, as often as it is called; the last one stays open."""
    path = tmp_path / "register.db"
    migrations.upgrade(SealedFile(path, bytes(32)), migrations.REGISTER)
    made: list[Register] = []

    def again() -> Register:
        if made:
            made.pop().close()
        made.append(Register(SealedFile(path, bytes(32)).open(readers=2)))
        return made[0]

    yield again
    if made:
        made[0].close()


@pytest.fixture
def book(opened: Callable[[], Register]) -> Casebook:
    return opened().casebook


def told(survey: int, owner: str = "St. Example", **more: object) -> Warned:
    known = Warned(survey, NOW, owner, "it@st-example.org", Way.MAIL, "r.koch", (HOST, "2001:db8::7"))
    return replace(known, **more)  # type: ignore[arg-type]


# --- cases -----------------------------------------------------------------------------------------------------


def test_what_was_written_is_read_after_a_restart(opened: Callable[[], Register]) -> None:
    """Every member, as what it was: states and severities decide, and compare by kind."""
    opened().casebook.save([FOUND, ACCEPTED])
    read = opened().casebook.cases()
    assert read == [FOUND, ACCEPTED]
    for case, written in zip(read, (FOUND, ACCEPTED), strict=True):
        assert (type(case.severity), type(case.state)) == (Severity, CaseState)
        assert (case.until, case.reason) == (written.until, written.reason)


def test_the_most_urgent_come_first(book: Casebook) -> None:
    """By the day they are due; on one day by address, port and check, so that a list stands still."""
    late = [
        replace(FOUND, due=NOW + due, address=address, port=port, check=check)
        for due, address, port, check in (
            (5, "10.1.0.9", 104, "D06"),
            (5, "10.1.0.8", 11112, "D06"),
            (5, "10.1.0.8", 104, "D07"),
            (5, "10.1.0.8", 104, "D06"),
            (1, "10.1.0.99", 104, "D06"),
        )
    ]
    book.save(late)
    assert book.cases() == late[::-1]


def test_a_case_is_one_check_at_one_port_of_one_address(book: Casebook) -> None:
    """Saved again it is replaced; its neighbours are not touched."""
    neighbours = [
        replace(FOUND, address="10.1.0.70"),
        replace(FOUND, port=105),
        replace(FOUND, check="D07"),
    ]
    book.save([FOUND, *neighbours])
    changed = replace(FOUND, state=CaseState.FIXED, last_seen=NOW + 5, person="p.adams")
    book.save([changed])
    assert sorted(book.cases(), key=lambda case: case.key) == sorted(
        [changed, *neighbours], key=lambda case: case.key
    )


def test_nothing_to_save_writes_nothing(book: Casebook) -> None:
    book.save([FOUND])
    book.save([])
    book.save(iter(()))
    assert book.cases() == [FOUND]


# --- what people decide ----------------------------------------------------------------------------------------


def test_a_decision_is_about_one_check_or_about_a_port(book: Casebook) -> None:
    others = [replace(FOUND, port=105), replace(FOUND, address="10.1.0.70")]
    book.save([FOUND, replace(FOUND, check="D07"), *others])

    def by(person: str) -> Callable[[Case], Case]:
        return lambda case: replace(case, person=person)

    assert [case.check for case in book.change(HOST, 104, "D07", by("one"))] == ["D07"]
    assert {(c.check, c.person) for c in book.cases() if (c.address, c.port) == (HOST, 104)} == {
        ("D06", FOUND.person),
        ("D07", "one"),
    }
    changed = book.change(HOST, 104, "", by("all"))
    assert {(case.check, case.person) for case in changed} == {("D06", "all"), ("D07", "all")}
    assert all(case in book.cases() for case in [*changed, *others])


@pytest.mark.parametrize("where", [("10.1.0.70", 104, "D06"), (HOST, 105, ""), (HOST, 104, "D07")])
def test_about_what_is_no_case_nobody_decides(book: Casebook, where: tuple[str, int, str]) -> None:
    book.save([FOUND])
    asked: list[Case] = []

    def decided(case: Case) -> Case:
        asked.append(case)
        return replace(case, person="p.adams")

    with pytest.raises(NotFound) as caught:
        book.change(*where, decided)
    assert (caught.value.code, asked, book.cases()) == ("no-case", [], [FOUND])
    book.change(HOST, 104, "D06", decided)
    assert asked == [FOUND]


def test_a_decision_about_a_port_is_whole_or_not_at_all(book: Casebook) -> None:
    """The second of three is refused: the first is not changed either."""
    known = [replace(FOUND, check=check) for check in ("D02", "D06", "D07")]
    book.save(known)
    seen: list[str] = []

    def decided(case: Case) -> Case:
        seen.append(case.check)
        if len(seen) == 2:
            raise Violation("Not that one.", code="case")
        return replace(case, person="p.adams")

    with pytest.raises(Violation):
        book.change(HOST, 104, "", decided)
    assert len(seen) == 2
    assert book.cases() == known


def test_people_who_decide_at_once_do_not_undo_each_other(book: Casebook) -> None:
    """What is decided about is read where it is written: between the two there is nobody else."""
    book.save([FOUND])
    together = threading.Barrier(8)

    def add(name: str) -> None:
        together.wait(30)
        book.change(HOST, 104, "D06", lambda case: replace(case, reason=case.reason + name))

    people = [threading.Thread(target=add, args=(name,)) for name in "abcdefgh"]
    for each in people:
        each.start()
    for each in people:
        each.join(30)
    (case,) = book.cases()
    assert sorted(case.reason) == list("abcdefgh")


# --- warnings --------------------------------------------------------------------------------------------------


def test_who_was_told_is_kept_in_the_order_in_which_it_was_written(
    opened: Callable[[], Register],
) -> None:
    """Whatever clocks said. Addresses keep their order."""
    register = opened()
    number = register.begin("", {}, 1, "here", NOW).id
    written = [
        told(number, at=NOW + 5),
        told(number, "Praxis 山田", at=NOW, way=Way.CERT, contact=""),
        told(number, at=NOW, addresses=()),
    ]
    for each in written:
        register.casebook.warn(each)
    read = opened().casebook.warnings()
    assert read == written
    assert {type(each.way) for each in read} == {Way}


def test_words_that_are_too_long_are_cut(opened: Callable[[], Register]) -> None:
    """Owners come from other people's files: the warning is kept all the same."""
    register = opened()
    number = register.begin("", {}, 1, "here", NOW).id
    register.casebook.warn(told(number, "o" * 300, contact="c" * 300, person="p" * 300))
    (kept,) = register.casebook.warnings()
    assert (kept.owner, kept.contact, kept.person) == ("o" * 200, "c" * 200, "p" * 100)
    assert kept.addresses == (HOST, "2001:db8::7")
