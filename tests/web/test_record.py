"""The record's page: filters in words, errors at their field, nothing of a patient in an address."""

import re

import pytest

from leadglass.access.principal import Role


@pytest.fixture
def auditor(signed_in):
    return signed_in[Role.AUDITOR]


def search(client, **fields):
    answer = client.post("/record", data=fields, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 303
    assert re.fullmatch(r"/record(\?search=[\w-]{12})?", answer.headers["location"])
    return client.get(answer.headers["location"])


def test_filters_stand_in_the_folded_line_and_in_the_form(auditor):
    page = search(auditor, actor="dr.roth", action="study.search", outcome="allowed", since="2020-01-01").text
    line = re.search(r'id="filters"><bdi>(.*?)</bdi>', page)[1]
    assert line == "by dr.roth · what: searched studies · outcome: allowed · from 2020-01-01"
    assert 'value="dr.roth"' in page
    assert '<option value="allowed" selected>' in page


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"actor": "nobody.here"}, "actor", "There is no user or device of this name."),
        ({"study": "NO-SUCH"}, "study", "No study here has this accession number."),
        ({"outcome": "sideways"}, "outcome", "There is no such outcome."),
        ({"since": "31.1.2026"}, "since", "A day is written as 2026-01-31."),
        ({"until": "9999-99-99"}, "until", "A day is written as 2026-01-31."),
        ({"since": "2026-02-30"}, "since", "A day is written as 2026-01-31."),
        ({"since": "2026-02-01", "until": "2026-01-31"}, "since", "The first day comes after the last."),
        ({"patient": "LG\x00"}, "patient", "A Patient ID has no control characters."),
    ],
)
def test_what_cannot_be_looked_for_is_said_at_its_field(auditor, fields, field, sentence):
    answer = search(auditor, **fields)
    assert answer.status_code == 400
    assert sentence in answer.text
    refused = re.search(r'<div class="refused">.*?</div>', answer.text, re.DOTALL)[0]
    assert f'name="{field}"' in refused


def test_the_last_day_there_is_and_one_day_alone_can_be_asked_for(auditor):
    assert search(auditor, until="9999-12-31").status_code == 200
    assert search(auditor, since="2026-01-31", until="2026-01-31").status_code == 200


def test_whoever_is_named_leads_to_everything_by_them(auditor):
    page = search(auditor, actor="auditor").text
    assert '<input type="hidden" name="actor" value="auditor"><button class="link-button"' in page
    assert 'title="Everything by auditor"' in page
    assert "user:" not in page


def test_a_study_by_its_accession_number(auditor, doctor):
    doctor.get("/studies/1")
    page = search(auditor, study="A-17", action="study.view").text
    assert "looked at a study" in page
    assert "1.2.3" in page


def test_the_page_says_how_far_the_head_vouches(auditor):
    page = auditor.get("/record").text
    assert re.search(r"signed by this archive: [\d,]+ entries, root [0-9a-f]{32}…", page)
