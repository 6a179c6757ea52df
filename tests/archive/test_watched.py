"""What is remembered of watched folders: enough not to read them again, and nothing that tells a name."""

from __future__ import annotations

from typing import Any

import pytest

from leadglass.access.principal import Role, Via
from leadglass.archive.watched import Seen, Stamp
from leadglass.errors import Denied

NOW = Stamp(10, 20, 30)


def seen(clinic: Any, folder: bytes = b"/in", department: int | None = None) -> Seen:
    technologist = clinic.people[Role.TECHNOLOGIST]
    context = clinic.context(Via.COMMAND)
    return clinic.services.watched.open(technologist, context, folder, department or clinic.own)  # type: ignore[no-any-return]


def test_what_was_noted_is_known_to_the_next_run_until_it_changes(clinic: Any) -> None:
    files = {b"/in/ROENTGEN^ANNA.dcm": NOW, b"/in/caf\xe9": NOW}
    seen(clinic).note(files)
    again = seen(clinic)
    assert all(again.has(path, NOW) for path in files)
    for other in (Stamp(11, 20, 30), Stamp(10, 21, 30), Stamp(10, 20, 31)):
        assert not again.has(b"/in/caf\xe9", other)
    assert not again.has(b"/in/other", NOW)
    assert not seen(clinic, b"/elsewhere").has(b"/in/caf\xe9", NOW)
    changed = Stamp(11, 21, 31)
    again.note({b"/in/caf\xe9": changed})
    assert seen(clinic).has(b"/in/caf\xe9", changed)
    again.keep_only([b"/in/caf\xe9"])
    assert not seen(clinic).has(b"/in/ROENTGEN^ANNA.dcm", NOW)
    assert clinic.scalar("SELECT count(*) FROM watched_files") == 1


def test_rows_hold_hashes_of_one_size_and_no_two_homes_have_the_same(clinic: Any) -> None:
    from leadglass.archive.watched import Watched

    seen(clinic).note({b"/in/ROENTGEN^ANNA.dcm": NOW})
    assert clinic.scalar("SELECT length(folder) + length(file) + length(mark) FROM watched_files") == 48
    other = Watched(clinic.services.doorkeeper, bytes(32))
    technologist = clinic.people[Role.TECHNOLOGIST]
    elsewhere = other.open(technologist, clinic.context(Via.COMMAND), b"/in", clinic.own)
    assert not elsewhere.has(b"/in/ROENTGEN^ANNA.dcm", NOW)


def test_only_who_may_put_objects_in_is_told_what_is(clinic: Any) -> None:
    with pytest.raises(Denied):
        seen(clinic, department=clinic.foreign)
