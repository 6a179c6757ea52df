"""What came in: counted where it is taken in, narrowed, on the record; who is called silent."""

from itertools import pairwise

import pytest

from leadglass.access.plans import plan
from leadglass.access.principal import Role, Via, operator
from leadglass.archive.arrivals import Arrived, Period
from leadglass.errors import Denied
from leadglass.index import arrivals
from leadglass.index.arrivals import HOUR

DAY = 24


def overview(clinic, period=Period.DAY, who=None):
    who = who or clinic.people[Role.PACS_ADMINISTRATOR]
    return clinic.services.arrivals.overview(who, period, clinic.context())


def sent(clinic, title, hours):
    """A device that sent one image in each of these hours before now."""

    def unit(tx):
        for ago in hours:
            at = clinic.now - ago * HOUR
            arrivals.count(tx, clinic.own, at, (f"C-STORE from {title}", "CT"), Arrived(1, 0, 1))

    clinic.services.db.write(unit).result()


def known(clinic, title):
    made = plan(title, certified=False, receive_only=True)
    clinic.services.peers.add(operator(1000, "op"), made, clinic.context(Via.COMMAND), department="Radiology")


def test_what_is_taken_in_is_counted_and_what_comes_again_is_not(clinic):
    clinic.take_in(1)
    clinic.take_in(2)
    clinic.take_in(2)
    clinic.take_in(3, department=clinic.foreign, study="1.5", series="1.5.1", instance="1.5.1.1")
    found = overview(clinic)
    assert (found.total.instances, found.total.studies) == (2, 1)
    assert found.total.bytes > 0
    assert [(flow.name, flow.arrived.instances) for flow in found.sources] == [("import", 2)]
    assert len(found.buckets) == 24
    assert found.buckets[-1].start <= clinic.now < found.buckets[-1].start + HOUR
    assert found.buckets[-1].arrived.instances == 2


@pytest.mark.parametrize("period", Period)
def test_buckets_are_whole_steps_up_to_now(clinic, period):
    clinic.take_in()
    count, step = period.value
    found = overview(clinic, period)
    starts = [bucket.start for bucket in found.buckets]
    assert len(starts) == count
    assert all(start % (step * HOUR) == 0 for start in starts)
    assert {after - before for before, after in pairwise(starts)} == {step * HOUR}
    assert starts[-1] <= clinic.now < starts[-1] + step * HOUR


def test_the_studies_that_are_named_are_on_the_record_first_and_of_ones_departments(clinic):
    clinic.take_in()
    clinic.take_in(3, department=clinic.foreign, study="1.5", series="1.5.1", instance="1.5.1.1")
    found = overview(clinic)
    (line,) = clinic.entries("arrivals.read")
    assert list(line.entry.studies) == [study.study_instance_uid for study in found.newest]
    assert len(found.newest) == 1


def test_nobody_else_sees_it(clinic):
    for role, who in clinic.people.items():
        if role is not Role.PACS_ADMINISTRATOR:
            with pytest.raises(Denied):
                overview(clinic, who=who)


@pytest.mark.parametrize(
    ("hours", "silent"),
    [
        (range(1, 40 * DAY, 24), False),  # every day until just now
        (range(30, 40 * DAY, 24), False),  # a day late: not yet a day longer than usual
        (range(60, 40 * DAY, 24), True),
        (range(30, 40 * DAY, 7 * DAY), False),  # once a week
        (range(9 * DAY, 50 * DAY, 7 * DAY), True),
        ([5 * DAY, 6 * DAY], False),  # too seldom for anybody to say
        ([70 * DAY, 71 * DAY, 72 * DAY, 73 * DAY, 74 * DAY], False),  # long gone
    ],
)
def test_a_device_is_silent_when_it_is_quiet_for_a_day_longer_than_ever(clinic, hours, silent):
    known(clinic, "CT1")
    sent(clinic, "CT1", hours)
    assert [one.title for one in overview(clinic).silent] == ["CT1"] * silent


def test_who_is_not_known_any_more_is_not_missed(clinic):
    sent(clinic, "GONE", range(60, 40 * DAY, 24))
    found = overview(clinic)
    assert (found.silent, found.watched) == ((), 0)


def test_what_is_kept_aside_waits(clinic):
    clinic.take_in(1)
    assert overview(clinic).waiting == 0
    clinic.take_in(1, fill=9)
    clinic.take_in(2, patient_id="P-2")
    found = overview(clinic)
    assert (found.waiting, found.total.instances) == (2, 1)
