"""Reading everything again: in order, at a rate, from where it stood; what it finds and that it ends at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from leadglass.archive.scrub import NAME, SHORTEST, Scrub
from leadglass.index import upkeep
from leadglass.index.upkeep import Round


@pytest.fixture
def filled(clinic: Any) -> Any:
    for number in (1, 2, 3):
        clinic.take_in(number)
    clinic.take_in(1, fill=9)
    return clinic


def scrub_of(clinic: Any, rate: float = 1e9, **more: Any) -> Scrub:
    services = clinic.services
    return Scrub(services.db, services.upkeep.examiner, lambda: clinic.now, rate=rate, **more)


def round_of(clinic: Any) -> Round:
    with clinic.services.db.read() as connection:
        found = upkeep.round_of(connection, NAME)
    assert found is not None
    return found


def whole(scrub: Scrub) -> None:
    for _ in range(100):
        if not scrub.step():
            return
    raise AssertionError("a round without an end")


def path_of(clinic: Any, number: int) -> Path:
    name = clinic.scalar(f"SELECT blob FROM instances WHERE id = {number}")
    path: Path = clinic.root / "objects" / name[:2] / name
    return path


def test_a_round_reads_everything_once_and_the_next_begins_a_day_later(filled: Any) -> None:
    scrub = scrub_of(filled)
    whole(scrub)
    made = round_of(filled)
    assert (made.objects, made.finished, made.kind) == (4, filled.now, "")
    assert made.bytes == filled.scalar(
        "SELECT (SELECT sum(size) FROM instances) + (SELECT sum(size) FROM kept_aside)"
    )
    filled.now += SHORTEST - 1
    assert not scrub.step()
    filled.now += 1
    assert scrub.step()
    assert round_of(filled).started == filled.now


def test_it_goes_on_where_it_stood(filled: Any) -> None:
    filled.services.db.write(
        lambda tx: upkeep.keep_round(tx, Round(NAME, filled.now, kind="instances", after=2, objects=2))
    ).result(30)
    path_of(filled, 1).unlink()  # behind it: not looked at in this round
    whole(scrub_of(filled))
    assert round_of(filled).objects == 4
    assert filled.scalar("SELECT count(*) FROM damage") == 0


def test_damage_is_kept_told_and_over_when_it_can_be_read_again(filled: Any) -> None:
    path = path_of(filled, 2)
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    path_of(filled, 3).unlink()
    whole(scrub_of(filled))
    with filled.services.db.read() as connection:
        assert upkeep.troubles(connection) == (0, 2)
    assert filled.services.upkeep.outlook(filled.now).damaged == 2
    assert filled.scalar("SELECT count(*) FROM instances") == 3  # nothing is taken out of sight
    path.write_bytes(sound)
    filled.now += SHORTEST
    whole(scrub_of(filled))
    assert filled.scalar("SELECT why FROM damage") == "missing"


def test_an_empty_home_and_an_unknown_table_end_the_round(clinic: Any) -> None:
    whole(scrub_of(clinic))
    assert round_of(clinic).objects == 0
    clinic.services.db.write(lambda tx: upkeep.keep_round(tx, Round(NAME, 1, kind="gone", after=9))).result(
        30
    )
    clinic.now += SHORTEST
    whole(scrub_of(clinic))
    assert round_of(clinic).finished == clinic.now


def test_it_stops_in_the_middle_of_an_object_and_forgets_nothing(filled: Any) -> None:
    """At one byte each second it would take for ever."""
    scrub = scrub_of(filled, rate=1)
    scrub.start()
    deadline = time.monotonic() + 30
    while not scrub._owed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert scrub._owed
    scrub.stop()
    scrub.stop()
    assert filled.scalar("SELECT count(*) FROM damage") == 0


def test_a_rate_of_zero_never_begins(filled: Any) -> None:
    scrub = scrub_of(filled, rate=0)
    scrub.start()
    scrub.stop()
    assert filled.scalar("SELECT count(*) FROM rounds") == 0


def test_an_object_too_large_for_its_hours_is_read_all_the_same(filled: Any) -> None:
    """Or it would come first on every day, and nothing behind it would ever be read."""
    hours = iter([True])
    scrub = scrub_of(filled, rate=1e5, window=lambda: next(hours, False))  # over once the first is begun
    scrub.step()
    assert round_of(filled).objects == 1
