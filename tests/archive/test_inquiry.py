"""What auditors ask of the record: every filter, pages that nothing shifts, and that asking is on the record."""

import pytest

from leadglass.access.principal import Role, Via, operator
from leadglass.archive import inquiry
from leadglass.archive.inquiry import Asked
from leadglass.errors import Denied, Violation
from leadglass.record.log import Entry

DAY = 24 * 3_600_000


def note(clinic, actor, action="study.view", outcome="allowed", **about):
    entry = Entry(actor, actor, "radiologist", action, outcome=outcome, **about)
    return clinic.services.doorkeeper.record(entry, clinic.now)


def ask(clinic, below=None, limit=100, who=None, **asked):
    who = who or clinic.people[Role.AUDITOR]
    return clinic.services.inquiry.ask(who, clinic.context(), Asked(**asked), below=below, limit=limit)


def numbers(answer):
    return [line.seq for line in answer.lines]


def test_a_person_is_found_with_everything_that_acts_for_them(clinic):
    accounts, context = clinic.services.accounts, clinic.context(Via.COMMAND)
    op = operator(1000, "op")
    accounts.add_user(op, "dr.roth", Role.RADIOLOGIST, context, password="lusab-babad-gutih-tugad-mohis")
    accounts.create_token(op, "dr.roth", context)
    (user,) = (one.id for one in accounts.list_users(op, context) if one.name == "dr.roth")
    (token,) = (one.id for one in accounts.list_tokens(op, context))
    seen = [note(clinic, f"user:{user}"), note(clinic, f"token:{token}"), note(clinic, f"jwt:{user}")]
    note(clinic, "user:999")
    assert numbers(ask(clinic, person="DR.Roth")) == seen[::-1]
    assert numbers(ask(clinic, person=f"token:{token}")) == [seen[1]]
    with pytest.raises(Violation, match="no user or device"):
        ask(clinic, person="nobody.of.this.name")


def test_a_study_is_found_by_accession_number_or_uid_also_when_it_is_gone(clinic):
    clinic.take_in(1)
    clinic.sql("UPDATE studies SET accession_number = 'A-1'")
    here = note(clinic, "user:1", studies=("1.2.3",))
    gone = note(clinic, "user:1", studies=("1.2.77",))
    assert here in numbers(ask(clinic, study="A-1", action="study.view"))
    assert numbers(ask(clinic, study="1.2.77")) == [gone]
    with pytest.raises(Violation, match="accession number"):
        ask(clinic, study="A-NONE")


def test_outcome_patient_action_and_days_all_must_hold(clinic):
    old = note(clinic, "user:1", outcome="denied", patients=("P-1",))
    clinic.now += 2 * DAY
    new = note(clinic, "user:1", outcome="denied", patients=("P-1",))
    note(clinic, "user:1", patients=("P-1",))
    note(clinic, "user:1", action="study.retrieve", outcome="denied", patients=("P-1",))
    wanted = {"patient": "P-1", "action": "study.view", "outcome": "denied"}
    assert numbers(ask(clinic, **wanted)) == [new, old]
    assert numbers(ask(clinic, since=clinic.now - DAY, **wanted)) == [new]
    assert numbers(ask(clinic, until=clinic.now - DAY, **wanted)) == [old]
    with pytest.raises(Violation, match="outcome"):
        ask(clinic, outcome="sideways")


@pytest.mark.parametrize("more", [{}, {"outcome": "denied"}, {"person": "user:1"}])
def test_pages_follow_each_other_while_the_record_grows(clinic, more):
    all_of_them = [note(clinic, "user:1", outcome="denied", patients=("P-9",)) for _ in range(7)]
    seen, below = [], None
    while True:
        answer = ask(clinic, below, 3, patient="P-9", **more)
        seen += numbers(answer)
        below = answer.older
        if below is None:
            break
        note(clinic, "user:1", outcome="denied", patients=("P-9",))
    assert seen == all_of_them[::-1]


def test_what_is_rare_is_looked_for_so_far_and_then_goes_on(clinic, monkeypatch):
    monkeypatch.setattr(inquiry, "MOST_READ", 4)
    monkeypatch.setattr(inquiry, "BATCH", 2)
    rare = note(clinic, "user:1", outcome="denied", patients=("P-9",))
    for _ in range(6):
        note(clinic, "user:1", patients=("P-9",))
    first = ask(clinic, patient="P-9", outcome="denied")
    assert (first.lines, first.stopped) == ((), True)
    second = ask(clinic, first.older, patient="P-9", outcome="denied")
    assert (numbers(second), second.stopped, second.older) == ([rare], False, None)


def test_asking_is_on_the_record_without_the_values_of_its_filters(clinic):
    ask(clinic, patient="P-1", outcome="denied")
    (line,) = clinic.entries("record.read")
    assert line.entry.patients == ("P-1",)
    assert line.entry.detail == {"filters": "patient,outcome"}
    for role, who in clinic.people.items():
        if role is not Role.AUDITOR:
            with pytest.raises(Denied):
                ask(clinic, who=who)


def test_the_head_is_sound_until_somebody_touches_it(clinic):
    note(clinic, "user:1")
    head = clinic.services.inquiry.head()
    assert head.sound
    assert head.size == clinic.record_size()
    clinic.sql("UPDATE log_head SET size = size - 1")
    assert not clinic.services.inquiry.head().sound
