"""What a department has under some UIDs, on both databases."""

from __future__ import annotations

from typing import Any

from leadglass.index import lookup


def test_of_one_department_alone(shelf: Any, facts: Any) -> None:
    for number in (1, 2):
        shelf.add(facts(number))
    foreign = facts(1, study_instance_uid="1.4")
    shelf.add(foreign, department=2)
    shelf.seal()
    uids = ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.2", "1.2.3.1.7", foreign.sop_instance_uid, "no UID", ""]
    found = lookup.digests(shelf.connection, uids, 1)
    assert found == {uid: shelf.sealed(facts(int(uid[-1])), 1).digest for uid in uids[:2]}
    assert list(lookup.digests(shelf.connection, uids, 2)) == [foreign.sop_instance_uid]
    assert lookup.digests(shelf.connection, [], 1) == {}
