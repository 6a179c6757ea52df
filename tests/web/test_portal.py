import re

import pytest

from leadglass.access.principal import Role, Via

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


def search(client, path="/studies", **fields):
    answer = client.post(path, data=fields, headers=SAME_ORIGIN)
    assert answer.status_code == 303, answer.text
    return client.get(answer.headers["location"]), answer.headers["location"]


def test_the_newest_studies_first_and_names_readable(doctor):
    page = doctor.get("/studies").text
    assert "Roth, Anna" in page
    assert "1952-03-01" in page
    assert 'href="/studies/1"' in page


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "roth"},
        {"name": "an ro"},
        {"patient_id": "LG-0001"},
        {"date_from": "2026-01-31", "date_to": "2026-01-31"},
        {"modality": "CT"},
        {"accession": "A-17"},
        {"name": "roth", "patient_id": "LG-0001", "date_from": "2026-01-01", "modality": "ct"},
    ],
)
def test_each_field_finds(doctor, fields):
    page, _ = search(doctor, **fields)
    assert "Roth, Anna" in page.text


@pytest.mark.parametrize(
    "fields", [{"name": "nobody"}, {"patient_id": "x"}, {"date_from": "2026-02-01"}, {"modality": "MR"}]
)
def test_nothing_found_says_what_to_do(doctor, fields):
    page, _ = search(doctor, **fields)
    assert "No study found" in page.text
    assert "Roth" not in page.text


def test_no_url_carries_a_term_and_the_form_keeps_it(doctor):
    page, location = search(doctor, name="roth", patient_id="LG-0001")
    assert re.fullmatch(r"/studies\?search=[\w-]{12}", location)
    assert 'value="roth"' in page.text
    assert not re.search(r"(href|action|src)=\"[^\"]*(roth|LG-0001)", page.text, re.IGNORECASE)


def test_a_search_belongs_to_its_session(doctor, signed_in):
    _, location = search(doctor, name="roth")
    other = signed_in[Role.TECHNOLOGIST].get(location)
    assert "no longer remembered" in other.text
    assert 'value="roth"' not in other.text


def test_an_empty_search_is_the_list(doctor):
    answer = doctor.post("/studies", data={"name": "  "}, headers=SAME_ORIGIN)
    assert answer.headers["location"] == "/studies"


def test_a_wrong_date_is_explained(doctor):
    page, _ = search(doctor, date_from="31.01.2026")
    assert page.status_code == 400
    assert "Write it as 2026-01-31" in page.text


def test_htmx_gets_the_results_alone(doctor):
    answer = doctor.post("/studies", data={"name": "roth"}, headers={**SAME_ORIGIN, "hx-request": "true"})
    assert answer.status_code == 200
    assert answer.text.startswith("<section")
    assert "<html" not in answer.text
    assert re.fullmatch(r"/studies\?search=[\w-]{12}", answer.headers["hx-replace-url"])


def test_paging_through_many_and_past_the_end(fresh, helpers):
    fresh.people()
    for number in range(55):
        fresh.take_in(
            helpers.made_up(
                helpers.pixels(8),
                StudyInstanceUID=f"1.2.{number}",
                SeriesInstanceUID=f"1.2.{number}.1",
                SOPInstanceUID=f"1.2.{number}.1.1",
                StudyDate=f"2025{number // 28 + 1:02}{number % 28 + 1:02}",
                PatientID=f"P{number}",
            )
        )
    client = fresh.client(Role.RADIOLOGIST)
    first, second = client.get("/studies").text, client.get("/studies?page=2").text
    seen = [re.findall(r'href="/studies/(\d+)"', page) for page in (first, second)]
    assert [len(ids) for ids in seen] == [50, 5]
    assert len({*seen[0], *seen[1]}) == 55
    assert "1 to 50" in first
    assert "51 to 55" in second
    assert "page=2" in first
    assert "Nothing more" in client.get("/studies?page=3").text
    page, location = search(client, modality="CT")
    assert f"{location}&amp;page=2" in page.text
    for odd in ("0", "-1", "x", "9" * 30):
        assert client.get(f"/studies?page={odd}").status_code == 200


def test_an_empty_archive_says_how_images_come_in(fresh):
    fresh.people()
    assert "No studies yet" in fresh.client(Role.RADIOLOGIST).get("/studies").text


def test_the_auditor_sees_who_looked(world, doctor, signed_in):
    assert doctor.get("/studies/1").status_code == 200
    auditor = signed_in[Role.AUDITOR]
    page, location = search(auditor, "/record", patient="LG-0001")
    assert "LG-0001" not in location
    assert "looked at a study" in page.text
    assert "dr.roth" in page.text
    nobody, _ = search(auditor, "/record", patient="LG-NOBODY")
    assert "No entry found" in nobody.text
    by_actor, _ = search(auditor, "/record", action="study.search")
    assert "searched studies" in by_actor.text


def test_the_record_pages_on(signed_in):
    auditor = signed_in[Role.AUDITOR]
    page = auditor.get("/record")
    below = re.search(r"below=(\d+)", page.text)
    if below is None:
        for _ in range(101):
            auditor.get("/record")
        below = re.search(r"below=(\d+)", auditor.get("/record").text)
    older = auditor.get(f"/record?below={below[1]}")
    assert older.status_code == 200
    assert "Newest" in older.text


def test_status_for_who_runs_the_system(signed_in):
    page = signed_in[Role.SYSTEM_ADMINISTRATOR].get("/status")
    assert "Entries on the record" in page.text
    assert "Roth" not in page.text


def test_what_was_kept_aside_is_listed(fresh, helpers):
    fresh.people()
    client = fresh.client(Role.PACS_ADMINISTRATOR)
    assert "Nothing is kept aside" in client.get("/aside").text
    fresh.take_in(helpers.made_up())
    fresh.take_in(helpers.made_up(StudyDescription="Other content"))
    page = client.get("/aside").text
    assert "1.2.3.1.1.1" in page
    assert "Roth, Anna" in page


def test_what_nobody_can_identify_is_listed_without_a_study(fresh, helpers):
    fresh.people()
    ingest, here = fresh.services.ingest, fresh.departments["Radiology"]
    sender, when = fresh.principal(Role.TECHNOLOGIST), fresh.context(Via.DICOMWEB)
    incoming = ingest.open(sender, here, "C-STORE from CT1", when, keep_unidentified=True)
    incoming.write(helpers.made_up()[:-1])
    incoming.finish().result()
    page = fresh.client(Role.PACS_ADMINISTRATOR).get("/aside").text
    for shown in ("It cannot be read. Kept aside.", "unknown", "C-STORE from CT1", "1.2.3.1.1.1"):
        assert shown in page
    assert "/studies/" not in page.split("<main")[1]
    assert "unreadable" in fresh.client(Role.AUDITOR).get("/record").text


def test_nobody_sees_a_link_they_may_not_follow(signed_in):
    for role, client in signed_in.items():
        page = client.get(client.get("/").headers["location"]).text
        links = set(re.findall(r'<a href="(/\w+)"', page.split("<main")[0]))
        for link in links:
            assert client.get(link).status_code == 200, (role, link)


def test_a_full_record_shows_nothing(fresh, helpers, monkeypatch):
    """The disk is full to the last reserved byte: no page of a list, no image, no object."""
    fresh.people()
    fresh.take_in(helpers.made_up())
    doctor = fresh.client(Role.RADIOLOGIST)
    from leadglass.archive.doorkeeper import Doorkeeper
    from leadglass.errors import StorageFull

    def full(*_):
        raise StorageFull("x")

    monkeypatch.setattr(Doorkeeper, "append", full)
    for path in ("/studies", "/dicom-web/studies", "/dicom-web/studies/1.2.3/metadata"):
        answer = doctor.get(path)
        assert answer.status_code == 503, path
        assert "ROTH" not in answer.text.upper()
        assert answer.headers["retry-after"] == "60"
