"""An open database, of either kind: what readers see and may do, what stays open."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
import sqlalchemy as sa

from leadglass.errors import Unavailable

NAME = "ROENTGEN^ANNA"


@pytest.mark.parametrize(
    "statement", ["INSERT INTO notes (text) VALUES ('x')", "DELETE FROM notes", "DROP TABLE notes"]
)
def test_readers_cannot_write(desk: Any, statement: str) -> None:
    desk.write(NAME).result(30)
    with pytest.raises(Unavailable), desk.db.read() as connection:
        connection.exec_driver_sql(statement)
    assert desk.notes() == [NAME]


def test_parameters_stay_out_of_what_is_raised(desk: Any) -> None:
    with pytest.raises(Unavailable) as caught, desk.db.read() as connection:
        connection.execute(sa.text("SELECT nothing FROM nowhere WHERE name = :name"), {"name": NAME})
    error: BaseException | None = caught.value
    while error is not None:
        assert NAME not in str(error)
        error = error.__cause__


def test_a_reader_sees_one_state_from_beginning_to_end(desk: Any) -> None:
    desk.write("before").result(30)
    with desk.db.read() as connection:
        count = sa.text("SELECT count(*) FROM notes")
        assert connection.execute(count).scalar_one() == 1
        desk.write("meanwhile").result(30)
        assert connection.execute(count).scalar_one() == 1
    assert desk.notes() == ["before", "meanwhile"]


def test_too_many_readers_are_told_to_come_again(make: Any) -> None:
    desk = make(readers=1)
    desk.db._readers.pool._timeout = 0.01
    with desk.db.read(), pytest.raises(Unavailable, match="Too many"), desk.db.read():
        pass
    assert desk.notes() == []


def test_an_error_gives_the_connection_back(make: Any) -> None:
    desk = make(readers=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), desk.db.read():
            raise ZeroDivisionError
    assert desk.notes() == []


def test_closing_leaves_no_descriptor_and_no_thread(make: Any) -> None:
    make().db.close()
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for number in range(3):
        desk = make()
        desk.write(str(number)).result(30)
        desk.notes()
        desk.db.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads
