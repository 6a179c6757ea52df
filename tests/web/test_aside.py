"""What was kept aside, as the PACS administrator works on it."""

from __future__ import annotations

import re

import pytest

from leadglass.access.principal import Role, Via

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
WHY = {"why": "The scanner sent it twice", "sure": "yes"}


@pytest.fixture
def filled(fresh, helpers):
    """An image, other content under its UID, one that cannot be read, and another department's."""
    fresh.people()
    fresh.take_in(helpers.made_up())
    fresh.take_in(helpers.made_up(StudyDescription="Other <b>content</b>"))
    fresh.take_in(helpers.made_up(PatientID="LG-X", PatientName="MUELLER^X", SOPInstanceUID="1.2.3.1.1.9"))
    sender, when = fresh.principal(Role.TECHNOLOGIST), fresh.context(Via.DICOMWEB)
    incoming = fresh.services.ingest.open(
        sender, fresh.departments["Radiology"], "C-STORE from CT1 & <co>", when, keep_unidentified=True
    )
    incoming.write(helpers.made_up()[:-1])
    incoming.finish().result()
    for change in ({}, {"StudyDescription": "Foreign"}):
        foreign = {"StudyInstanceUID": "1.2.9", "SeriesInstanceUID": "1.2.9.1", "SOPInstanceUID": "1.2.9.1.1"}
        fresh.take_in(helpers.made_up(**foreign, PatientName="FOREIGN^FRIDA", **change), helpers.FOREIGN)
    return fresh


@pytest.fixture
def admin(filled):
    return filled.client(Role.PACS_ADMINISTRATOR)


def token(page):
    return re.search(r'name="seen" value="([^"]*)"', page)[1]


def post(client, path, **fields):
    return client.post(path, data=fields, headers=SAME_ORIGIN)


def decide(client, number, decision, **fields):
    page = client.get(f"/aside/{number}").text
    return post(client, f"/aside/{number}", decision=decision, seen=token(page), **{**WHY, **fields})


def test_the_list_has_filters_and_says_what_each_source_takes_up(admin):
    page = admin.get("/aside").text
    assert "C-STORE from CT1 &amp; &lt;co&gt;" in page
    assert len(re.findall(r'class="opens" href="/aside/\d+"', page)) == 3
    assert "Foreign" not in page
    assert "/aside?source=C-STORE+from+CT1+%26+%3Cco%3E" in page
    unreadable = admin.get("/aside?reason=unreadable&source=C-STORE%20from%20CT1%20%26%20%3Cco%3E").text
    assert re.findall(r'class="opens" href="/aside/(\d+)"', unreadable) == ["3"]
    nothing = admin.get("/aside?reason=unreadable&source=test").text
    assert "Nothing like this is kept aside" in nothing


def test_pages_keep_the_filter(filled, helpers, admin, monkeypatch):
    monkeypatch.setattr("leadglass.web.aside.STUDIES_PER_PAGE", 1)
    assert "/aside?source=test&amp;page=2" in admin.get("/aside?source=test").text
    assert "/aside?source=test&amp;page=1" in admin.get("/aside?source=test&page=2").text


def test_two_headers_side_by_side_and_what_each_decision_will_do(admin):
    page = admin.get("/aside/1").text
    assert "Study Description" in page
    assert "Chest" in page
    assert "Other &lt;b&gt;content&lt;/b&gt;" in page
    assert "The pixels are the same." in page
    assert "takes the place of what is here" in page
    assert "nobody can bring them back" in page.replace("\n", " ")
    assert 'value="accept" required>' in page
    study = admin.get("/aside/2").text
    assert "LG-X" in study
    assert "in a new study and a new series" in study
    assert re.search(r'value="accept" required disabled', study)
    unreadable = admin.get("/aside/3").text
    assert "It cannot be read to its end" in unreadable
    assert re.search(r'value="store" required disabled', unreadable)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"why": " "}, 400, "Say why"),
        ({"why": "x" * 501}, 400, "at most 500"),
        ({"sure": ""}, 400, "Say that you have read"),
        ({"decision": "burn"}, 400, "Choose what"),
        ({"seen": "0" * 32}, 409, "Things have changed"),
    ],
    ids=["no reason", "a novel", "not read", "unknown", "something else was seen"],
)
def test_a_decision_needs_a_reason_and_a_confirmation_of_what_was_seen(admin, fields, status, said):
    seen = token(admin.get("/aside/1").text)
    answer = post(admin, "/aside/1", **{"decision": "reject", "seen": seen, **WHY, **fields})
    assert answer.status_code == status
    assert said in answer.text
    if fields.get("why", " ").strip():
        assert fields["why"] in answer.text
    assert admin.get("/aside/1").status_code == 200


def test_what_is_not_offered_is_not_done(admin):
    answer = decide(admin, 2, "accept")
    assert answer.status_code == 409
    assert "There is nothing here" in answer.text


def test_accept_then_put_the_earlier_version_back(filled, admin, helpers):
    doctor = filled.client(Role.RADIOLOGIST)
    bearer = {"authorization": f"Bearer {filled.tokens[Role.RADIOLOGIST]}", "accept": "application/dicom"}
    address = "/dicom-web/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1.1"
    answer = decide(admin, 1, "accept")
    assert (answer.status_code, answer.headers["location"]) == (303, "/aside?done=accept")
    assert "is shown from now on" in admin.get("/aside?done=accept").text
    assert b"Other <b>" in doctor.get(address, headers=bearer).content
    listed = admin.get("/aside/versions").text
    assert "was replaced" in listed
    file = admin.get("/aside/versions/1/file")
    assert file.content == helpers.made_up()
    assert file.headers["content-disposition"] == 'attachment; filename="version-1.dcm"'
    assert file.headers["cache-control"] == "no-store"
    page = admin.get("/aside/versions/1").text
    assert post(admin, "/aside/versions/1", seen=token(page), why="x").status_code == 400
    assert post(admin, "/aside/versions/1", seen="other", **WHY).status_code == 409
    assert post(admin, "/aside/versions/1", seen=token(page), **WHY).status_code == 303
    assert doctor.get(address, headers=bearer).content == helpers.made_up()
    assert b"Other <b>" in admin.get("/aside/versions/2/file").content
    assert admin.get("/aside/versions/1").status_code == 404
    record = filled.client(Role.AUDITOR).get("/record").text
    for said in ("accepted a replacement", "retrieved an earlier version", "put an earlier version back"):
        assert said in record


def test_store_separately_and_what_was_received_is_kept_with_it(filled, admin):
    assert decide(admin, 2, "store").status_code == 303
    versions = admin.get("/aside/versions").text
    assert "as received from <bdi>test</bdi>" in versions
    assert "Put back" not in versions
    assert "The bytes as they came" in admin.get("/aside/versions/1").text
    page = admin.get("/aside/versions/1").text
    assert post(admin, "/aside/versions/1", seen="", **WHY).status_code == 409, page


def test_reject(admin):
    assert decide(admin, 3, "reject").status_code == 303
    assert admin.get("/aside/3").status_code == 404
    assert decide(admin, 1, "reject", why="<script>").status_code == 303


def test_together(filled, admin, helpers):
    filled.take_in(helpers.made_up(StudyDescription="Third"))
    page = admin.get("/aside/together?source=test").text
    assert "3 objects together" in page
    answer = post(
        admin, "/aside/together", source="test", reason="", decision="accept", seen=token(page), **WHY
    )
    assert answer.status_code == 200
    assert "Accept as replacement: 2 objects" in answer.text
    assert "1 object stayed kept aside" in answer.text
    assert "There is nothing here under its SOP Instance UID" in answer.text
    again = post(
        admin, "/aside/together", source="test", reason="", decision="accept", seen=token(page), **WHY
    )
    assert (again.status_code, "Things have changed" in again.text) == (409, True)
    assert "There is nothing to decide on" in admin.get("/aside/together?reason=nonsense").text


def test_foreign_and_absent_are_the_same_answer(filled, admin):
    missing = admin.get("/aside/77")
    assert missing.status_code == 404
    assert admin.get("/aside/4").content == missing.content
    for number in ("4", "77"):
        answer = post(admin, f"/aside/{number}", decision="reject", seen="", **WHY)
        assert (answer.status_code, answer.content) == (404, missing.content)
    assert admin.get("/aside/0x1").content == missing.content
    assert admin.get("/aside/versions/9/file").status_code == 404
    assert admin.get("/aside/versions/9").content == admin.get("/aside/versions/8").content


def test_empty(fresh):
    fresh.people()
    client = fresh.client(Role.PACS_ADMINISTRATOR)
    assert "There are no earlier versions" in client.get("/aside/versions").text
    page = client.get("/aside").text
    assert "Nothing is kept aside" in page
    assert "Where it comes from" not in page


def test_another_site_decides_nothing(admin):
    seen = token(admin.get("/aside/1").text)
    answer = admin.post(
        "/aside/1",
        data={"decision": "reject", "seen": seen, **WHY},
        headers={"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    )
    assert answer.status_code == 403
    assert admin.get("/aside/1").status_code == 200


def test_what_is_decided_already_leads_back_to_the_list(admin):
    page = admin.get("/aside/1").text
    again = {"decision": "store", "seen": token(page), **WHY}
    assert post(admin, "/aside/1", **again).status_code == 303
    for answer in (post(admin, "/aside/1", **again), admin.get("/aside/1")):
        assert answer.status_code == 404
        assert "Perhaps somebody decided on it meanwhile" in answer.text
        assert 'href="/aside/2"' in answer.text
    foreign = re.sub(r"/aside/\d+", "", admin.get("/aside/4").text)
    assert foreign == re.sub(r"/aside/\d+", "", admin.get("/aside/4711").text)
    gone = admin.get("/aside/versions/99")
    assert gone.status_code == 404
    assert "Perhaps it was put back meanwhile" in gone.text


def test_when_nothing_is_left_the_pages_say_so(admin):
    assert "Decide together</h1>" in admin.get("/aside/together?reason=nonsense").text
    for number in (1, 2, 3):
        assert decide(admin, number, "reject").status_code == 303
    assert "waits here for your decision" in admin.get("/aside").text


# --- handing over -----------------------------------------------------------------------------------------


@pytest.fixture
def cardiology(filled, helpers):
    """The other department's PACS administrator; the image 1.2.9.1.2 of a study of theirs waits with the first."""
    name, role = "pacs.cardiology", Role.PACS_ADMINISTRATOR
    filled.services.accounts.add_user(
        helpers.OPERATOR,
        name,
        role,
        filled.context(),
        department=helpers.FOREIGN,
        password=helpers.PASSWORD,
    )
    theirs = {"StudyInstanceUID": "1.2.9", "SeriesInstanceUID": "1.2.9.1", "SOPInstanceUID": "1.2.9.1.2"}
    filled.take_in(helpers.made_up(**theirs, PatientName="FOREIGN^FRIDA"))
    client = filled.client()
    helpers.sign_in(client, name)
    return client


def test_handed_over_taken_in_and_never_told(filled, admin, cardiology, helpers):
    page = admin.get("/aside/5").text
    assert "Hand over to another department" in page
    assert re.findall(r'<option value="(\d+)">', page) == [
        "1",
        str(filled.departments[helpers.FOREIGN]),
    ]  # and the default one
    assert "FRIDA" not in page.partition("What it says of itself")[0]
    unchosen = decide(admin, 5, "hand-over")
    assert (unchosen.status_code, "Choose another department" in unchosen.text) == (400, True)
    for to in ("x", "9" * 30, str(filled.departments[helpers.OWN])):
        assert decide(admin, 5, "hand-over", to=to).status_code == 400
    answer = decide(admin, 5, "hand-over", to=str(filled.departments[helpers.FOREIGN]))
    assert (answer.status_code, answer.headers["location"]) == (303, "/aside?done=hand-over")
    assert "other department&#39;s list" in admin.get("/aside?done=hand-over").text
    assert admin.get("/aside/6").status_code == 404
    assert "handed over by Radiology: test" in cardiology.get("/aside").text
    page = cardiology.get("/aside/6").text
    assert "Take in as it came" in page
    assert "By its UIDs an image of" in page
    assert decide(cardiology, 6, "accept").status_code == 303
    assert cardiology.get("/aside/6").status_code == 404
    assert "is shown from now on" in cardiology.get("/aside?done=accept").text


def test_many_are_handed_over_and_handed_back(filled, admin, cardiology, helpers):
    page = admin.get("/aside/together?source=test").text
    assert "All of them go onto the list" in page
    given = {"decision": "hand-over", "reason": "", "source": "test", **WHY}
    there, here = (str(filled.departments[name]) for name in (helpers.FOREIGN, helpers.OWN))
    done = post(admin, "/aside/together", seen=token(page), to=there, **given).text
    assert "Hand over to another department: 3 objects" in done
    back = {**given, "source": "handed over by Radiology: test"}
    page = cardiology.get("/aside/together?source=handed+over+by+Radiology%3A+test").text
    done = post(cardiology, "/aside/together", seen=token(page), to=here, **back).text
    assert "Hand over to another department: 3 objects" in done
    assert len(re.findall(r'class="opens" href="/aside/\d+"', admin.get("/aside?source=test").text)) == 3
