"""What came in, counted by the hour in the transaction that takes it in."""

import pytest

from leadglass.index import arrivals
from leadglass.index.arrivals import HOUR, Arrived, Within

ONE, NEW = Arrived(1, 0, 100), Arrived(1, 1, 100)
CT1 = ("C-STORE from CT1", "CT")


def count(shelf, *several):
    """Each (department, hour, whence, arrived) in one group."""
    for department, hour, whence, more in several:
        arrivals.count(shelf.tx, department, hour * HOUR + 59 * 60_000, whence, more)
    shelf.seal()


@pytest.fixture
def counted(shelf):
    count(shelf, (1, 10, CT1, NEW), (1, 10, CT1, ONE), (1, 11, ("import", "MR"), NEW))
    count(shelf, (1, 10, CT1, ONE), (2, 10, ("import", "MR"), NEW), (1, 35, CT1, ONE))
    return shelf


def read(shelf, question, departments, since=0, until=100, *, everything=False):
    return question(shelf.connection, Within(frozenset(departments), everything, since, until))


def by_hour(connection, within):
    found = {}
    for (hour, _, _), more in arrivals.arrived(connection, within, 1).items():
        before = found.get(hour, Arrived(0, 0, 0))
        found[hour] = Arrived(
            before.instances + more.instances, before.studies + more.studies, before.bytes + more.bytes
        )
    return found


def test_a_group_adds_to_what_an_earlier_one_counted(counted):
    assert read(counted, by_hour, [1]) == {
        10: Arrived(3, 1, 300),
        11: Arrived(1, 1, 100),
        35: Arrived(1, 0, 100),
    }


def test_only_the_hours_and_departments_that_were_asked_for(counted):
    assert read(counted, by_hour, [1], 11, 35) == {11: Arrived(1, 1, 100)}
    assert read(counted, by_hour, [2]) == {10: Arrived(1, 1, 100)}
    assert read(counted, by_hour, []) == {}
    assert read(counted, by_hour, [], everything=True)[10] == Arrived(4, 2, 400)


def test_by_day_source_and_modality(counted):
    found = arrivals.arrived(counted.connection, Within(frozenset({1, 2}), False, 0, 100), 24)
    assert found == {
        (0, *CT1): Arrived(3, 1, 300),
        (0, "import", "MR"): Arrived(2, 2, 200),
        (1, *CT1): Arrived(1, 0, 100),
    }


def test_the_days_on_which_a_source_sent(counted):
    days = read(counted, arrivals.sending_days, [1, 2])
    assert days == {"C-STORE from CT1": [(0, 10, 10), (1, 35, 35)], "import": [(0, 10, 11)]}


def test_longer_words_than_the_table_holds_are_cut(shelf):
    count(shelf, (1, 1, ("x" * 200, "y" * 20), ONE))
    assert list(arrivals.arrived(shelf.connection, Within(frozenset({1}), False, 0, 9), 1)) == [
        (1, "x" * 64, "y" * 16)
    ]


def test_what_came_last_is_of_ones_departments_and_the_last_first(shelf, facts):
    for number in range(1, 5):
        shelf.add(facts(study_instance_uid=f"1.2.{number}"), department=1 + number % 2)
    shelf.seal()

    def newest(departments, limit=10, *, everything=False):
        found = arrivals.newest(
            shelf.connection, everything=everything, departments=frozenset(departments), limit=limit
        )
        return [study.study_instance_uid for study in found]

    assert newest([1]) == ["1.2.4", "1.2.2"]
    assert newest([1, 2], 3) == ["1.2.4", "1.2.3", "1.2.2"]
    assert newest([], everything=True) == ["1.2.4", "1.2.3", "1.2.2", "1.2.1"]
    assert newest([]) == []
