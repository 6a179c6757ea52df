from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observed import (
    CT,
    DCMTK,
    NOW,
    associate,
    count,
    dcmqrscp_open,
    http,
    offers,
    orthanc_web,
    refuses_strangers,
    statistics,
    system,
    tls,
)

from leadglass.scan import archives as counting
from leadglass.scan.archives import Archive, doubts
from leadglass.scan.doubts import Doubt, DoubtKind, Reason, Target, Weight, standing
from leadglass.scan.observation import Observation
from leadglass.scan.words import About

A, B = "127.0.0.1", "127.0.0.2"
OTHER = {"implementation_class_uid": "1.2.40.0.13.1.3", "implementation_version_name": "dcm4che-5.23.3"}


def dicom(
    studies: int, address: str = A, port: int = 104, *, program: dict[str, str] = DCMTK, **said: Any
) -> list[Observation]:
    return [
        associate(address=address, port=port, **program),
        count(studies, address=address, port=port, **said),
    ]


def web(studies: int, address: str = A, **figures: int) -> list[Observation]:
    return [system(address=address), statistics(1, studies, address=address, **figures)]


def archives(what: list[Observation], overruled: frozenset[str] = frozenset()) -> tuple[Archive, ...]:
    return counting.archives(what, standing(doubts(what), overruled))


def duplicates(*what: Observation) -> list[Doubt]:
    return [each for each in doubts(what) if each.kind is DoubtKind.DUPLICATE]


def total(*what: Observation, overruled: frozenset[str] = frozenset()) -> int:
    return sum(each.studies for each in archives(list(what), overruled) if not each.apart)


def test_nothing_counted_is_no_archive() -> None:
    assert archives([*refuses_strangers(), associate(port=4242)]) == ()


def test_one_archive() -> None:
    (archive,) = archives(dicom(60, images=900, people=21))
    assert archive == Archive((Target(A, 104),), 60, True, 900, 21, 1, False)


def test_two_archives_are_two() -> None:
    assert total(*dicom(60), *dicom(61, B)) == 121
    assert duplicates(*dicom(60), *dicom(61, B)) == []


@pytest.mark.parametrize(
    ("one", "other", "weight", "reason"),
    [
        (dicom(7), dicom(7, port=4242), Weight.LIKELY, Reason.SAME_COUNT),
        (dicom(7), web(7, instances=40), Weight.LIKELY, Reason.SAME_COUNT),
        (dicom(60, images=900), web(60, instances=900), Weight.CERTAIN, Reason.SAME_FIGURES),
        (dicom(60, people=21), dicom(60, port=4242, people=21), Weight.CERTAIN, Reason.SAME_FIGURES),
        (dicom(5_000), dicom(5_000, B), Weight.LIKELY, Reason.SAME_COUNT),
        (dicom(60, images=900, people=21), dicom(60, B, images=900, people=21), Weight.CERTAIN, Reason.SAME_FIGURES),
        (dicom(3, mark="0a"), dicom(3, B, mark="0a"), Weight.CERTAIN, Reason.SAME_STUDIES),
        (dicom(3, mark="0a"), dicom(3, B, mark="0a", program=OTHER), Weight.CERTAIN, Reason.SAME_STUDIES),
        ([*dicom(60), tls(address=A, certificate="aa")], [*dicom(60, B), tls(address=B, certificate="aa")], Weight.CERTAIN, Reason.SAME_CERTIFICATE),
    ],
)  # fmt: skip
def test_one_archive_behind_two_doors(
    one: list[Observation], other: list[Observation], weight: Weight, reason: Reason
) -> None:
    what = [*one, *other]
    (doubt,) = duplicates(*what)
    assert (doubt.weight, doubt.reason) == (weight, reason)
    assert {what[index].probe for index in doubt.evidence} <= {"count", "http"}
    (archive,) = archives(what)
    assert len(archive.doors) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (dicom(49), dicom(49, B)),  # small counts coincide
        (dicom(600), dicom(600, B)),  # among hundreds of archives others do, too
        (dicom(600, mark="0a"), dicom(600, B, mark="0b")),
        (dicom(60, images=900), dicom(60, B, images=900)),
        (dicom(60), dicom(60, B, program=OTHER)),
        (dicom(60), dicom(60, port=4242, program=OTHER)),
        (dicom(60), web(60, B)),
        (dicom(60, exact=False), dicom(60, port=4242, exact=False)),  # two servers with one limit
        (dicom(0), dicom(0, port=4242)),
        ([*dicom(1), tls(address=A, certificate="aa")], [*dicom(1, B), tls(address=B, certificate="aa")]),
        ([*dicom(60), tls(address=A, certificate="aa")], [*dicom(70, B), tls(address=B, certificate="aa")]),
    ],
)
def test_two_archives_that_resemble_each_other(one: list[Observation], other: list[Observation]) -> None:
    assert duplicates(*one, *other) == []
    assert len(archives([*one, *other])) == 2


def test_an_archive_at_work() -> None:
    later = dicom(20_010, port=4242, at=NOW + 60_000)
    assert [each.reason for each in duplicates(*dicom(20_000), *later)] == [Reason.NEARLY_SAME_COUNT]
    assert total(*dicom(20_000), *later) == 20_010
    for other in (dicom(20_021, port=4242), dicom(20_010, B), dicom(20_010, port=4242, at=NOW + 3_600_001)):
        assert duplicates(*dicom(20_000), *other) == []


def test_a_shared_certificate_alone_is_a_hint() -> None:
    what = [
        tls(address=A, certificate="aa"),
        tls(address=B, certificate="aa"),
        tls(address=B, certificate="bb", port=443),
    ]
    (doubt,) = duplicates(*what)
    assert (doubt.weight, doubt.reason, doubt.facts) == (
        Weight.HINT,
        Reason.SAME_CERTIFICATE,
        {"elsewhere": True},
    )
    assert archives(what) == ()


def test_many_doors_to_one_archive_are_counted_once_with_one_doubt_for_each_further_door() -> None:
    what = [each for n in range(100) for each in dicom(5_000, f"127.0.1.{n}")]
    found = duplicates(*what)
    assert len(found) == 99
    assert {each.targets[0] for each in found} == {Target("127.0.1.0", 104)}
    assert total(*what) == 5_000


def test_a_web_door_joins_the_dicom_door_of_its_own_address() -> None:
    what = [*dicom(60, A), *dicom(60, B, program=OTHER), *web(60, B, instances=100)]
    (doubt,) = duplicates(*what)
    assert doubt.targets == (Target(B, 104), Target(B, 8042))
    assert total(*what) == 120


def test_the_exact_count_is_the_better_one() -> None:
    what = [*dicom(500, exact=False), *dicom(60, port=4242), http(About.QIDO_COUNT, count=60, address=A)]
    by_doors = {archive.doors: archive for archive in archives(what)}
    assert by_doors[(Target(A, 104),)].exact is False
    assert by_doors[(Target(A, 4242), Target(A, 8042))].studies == 60


def test_of_one_port_the_exact_count_counts() -> None:
    (archive,) = archives([*dicom(700, exact=False), count(60, address=A)])
    assert (archive.studies, archive.exact, archive.decided_by) == (60, True, 2)


def test_a_honeypot_stands_apart_until_a_person_says_that_it_is_none() -> None:
    pot = {"maximum_length": 4 << 20}
    what = [
        associate(address=A, **pot),
        offers(CT, address=A, accepts_unknown=True, **pot),
        count(60, address=A),
    ]
    what += dicom(5, B)
    assert [each.apart for each in archives(what)] == [True, False]
    assert total(*what) == 5
    keys = [each.key for each in doubts(what) if each.kind is DoubtKind.HONEYPOT]
    assert total(*what, overruled=frozenset(keys)) == total(*what, overruled=frozenset(keys[:1])) == 65


def test_a_person_who_knows_better_counts_two() -> None:
    what = [*dicom(60), *dicom(60, port=4242)]
    assert total(*what) == 60
    (doubt,) = duplicates(*what)
    assert total(*what, overruled=frozenset({doubt.key})) == 120


def test_the_demo() -> None:
    what = [*dcmqrscp_open(60, address=A), *orthanc_web(address=A), *refuses_strangers(address=A, port=11112)]
    (archive,) = archives(what)
    assert archive.doors == (Target(A, 104), Target(A, 8042))


@settings(deadline=None)  # of no machine that is busy
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 120)), max_size=12))
def test_every_counted_door_belongs_to_one_archive_and_nothing_is_counted_that_was_not(
    drawn: list[tuple[int, int, int]],
) -> None:
    doors = {(f"127.0.0.{a}", 100 + p): n for a, p, n in drawn}
    what = [each for (address, port), n in doors.items() for each in dicom(n, address, port)]
    found = archives(what)
    listed = [door for archive in found for door in archive.doors]
    assert sorted(listed) == sorted(Target(*door) for door in doors)
    assert sum(archive.studies for archive in found) <= sum(doors.values())
    assert max((archive.studies for archive in found), default=0) == max(doors.values(), default=0)
