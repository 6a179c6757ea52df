"""DICOMweb, asked by dicomweb-client through a real server and by hand."""

import importlib.util
import io
import sys
from pathlib import Path

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session

from leadglass.access.principal import Role, Via

ROOT = "/dicom-web"
INSTANCE = f"{ROOT}/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1.1"


@pytest.fixture(scope="module")
def client(world):
    gallery = sys.modules.setdefault("leadglass_tests_gallery", _gallery())
    with gallery.served(world) as address:
        session = create_session()
        session.headers["Authorization"] = f"Bearer {world.tokens[Role.RADIOLOGIST]}"
        yield DICOMwebClient(url=f"{address}{ROOT}", session=session)


def _gallery():
    path = Path(__file__).parents[1] / "browser" / "gallery.py"
    spec = importlib.util.spec_from_file_location("leadglass_tests_gallery", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_search_at_every_level(client):
    studies = client.search_for_studies()
    assert [study["0020000D"]["Value"] for study in studies] == [["1.2.3"]]
    assert studies[0]["00100010"]["Value"] == [{"Alphabetic": "ROTH^ANNA"}]
    assert len(client.search_for_series("1.2.3")) == len(client.search_for_series()) == 2
    assert len(client.search_for_instances("1.2.3")) == len(client.search_for_instances()) == 4
    assert len(client.search_for_instances("1.2.3", "1.2.3.1")) == 3


def test_search_by_keyword_tag_and_range(client):
    for filters in ({"PatientName": "RO*"}, {"00100020": "LG-0001"}, {"StudyDate": "20260101-20260201"}):
        assert len(client.search_for_studies(search_filters=filters)) == 1, filters
    assert client.search_for_studies(search_filters={"PatientName": "NOBODY"}) == []


def test_limit_and_offset(client):
    pages = [client.search_for_instances("1.2.3", limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 2, 0]
    uids = {row["00080018"]["Value"][0] for page in pages for row in page}
    assert len(uids) == 4


def test_retrieved_as_it_was_sent(client, helpers):
    sent = helpers.made_up(helpers.pixels(shift=1))
    found = client.retrieve_instance("1.2.3", "1.2.3.1", "1.2.3.1.1.1")
    assert found == pydicom.dcmread(io.BytesIO(sent))
    assert len(client.retrieve_series("1.2.3", "1.2.3.1")) == 3
    assert len(client.retrieve_study("1.2.3")) == 4


def test_metadata_at_every_level(client):
    (found,) = (client.retrieve_instance_metadata("1.2.3", "1.2.3.1", "1.2.3.1.1.1"),)
    assert found["00100020"]["Value"] == ["LG-0001"]
    assert "7FE00010" not in found or "InlineBinary" not in found["7FE00010"]
    assert len(client.retrieve_series_metadata("1.2.3", "1.2.3.1")) == 3
    assert len(client.retrieve_study_metadata("1.2.3")) == 4


def test_results_say_where_to_retrieve(doctor):
    (row,) = doctor.get(f"{ROOT}/instances?SOPInstanceUID=1.2.3.1.1.2").json()
    url = row["00081190"]["Value"][0]
    assert url == "http://localhost:8080" + INSTANCE[:-1] + "2"
    assert doctor.get(url).status_code == 200


def test_one_object_alone(doctor, helpers):
    answer = doctor.get(INSTANCE, headers={"accept": "application/dicom"})
    assert answer.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert answer.content == helpers.made_up(helpers.pixels(shift=1))
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        (INSTANCE, "", 200),
        (INSTANCE, "*/*", 200),
        (INSTANCE, 'multipart/related; type="application/dicom"', 200),
        (INSTANCE, 'multipart/related; type="application/dicom"; transfer-syntax=*', 200),
        (INSTANCE, 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1', 200),
        (
            INSTANCE,
            'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50',
            406,
        ),
        (INSTANCE, 'multipart/related; type="image/jpeg"', 406),
        (INSTANCE, "image/jpeg", 406),
        (INSTANCE, "image/jpeg, */*;q=0.1", 200),
        (f"{ROOT}/studies/1.2.3", "application/dicom", 406),
        (f"{ROOT}/studies/1.2.3", 'multipart/related; type="application/dicom"; transfer-syntax=1.2', 406),
        (f"{ROOT}/studies/1.2.3/metadata", "application/json", 200),
        (f"{ROOT}/studies/1.2.3/metadata", "application/dicom+xml", 406),
        (f"{ROOT}/studies", "text/html", 406),
    ],
)
def test_what_is_acceptable(doctor, path, header, status):
    answer = doctor.get(path, headers={"accept": header})
    assert answer.status_code == status
    if status == 406:
        assert answer.json()["code"] == "not-acceptable"


def test_the_query_parameter_goes_before_the_header(doctor):
    answer = doctor.get(f"{INSTANCE}?accept=application/dicom", headers={"accept": "image/jpeg"})
    assert answer.headers["content-type"].startswith("application/dicom;")


def test_fuzzy_matching_and_unknown_keys_are_ignored_aloud(doctor):
    answer = doctor.get(f"{ROOT}/studies?fuzzymatching=true&PatientName=ROTH*&NoSuchAttribute=1")
    assert answer.status_code == 200
    warnings = answer.headers.get_list("warning")
    assert len(warnings) == 2
    assert all(warning.startswith("299 ") for warning in warnings)
    assert not doctor.get(f"{ROOT}/studies?includefield=all").headers.get("warning")


@pytest.mark.parametrize(
    "query",
    ["limit=x",
     "limit=-1", "offset=x", "offset=" + "9" * 12, "StudyDate=yesterday", "PatientName=a&PatientName=b",
     "&".join(f"x{n}=1" for n in range(200)), "PatientName=" + "x" * 9000, "PatientName=" + "*a" * 100],
)  # fmt: skip
def test_queries_that_are_refused(doctor, query):
    answer = doctor.get(f"{ROOT}/studies?{query}")
    assert answer.status_code == 400
    assert set(answer.json()) == {"type", "title", "status", "code"}


@pytest.mark.parametrize("uid", ["..", "1.2..3", "01.2", "1.2.x", "1" * 65, "%00", "1.2.3%0d%0aX:%20y", "*"])
def test_an_illegal_uid_is_absent(doctor, uid):
    assert doctor.get(f"{ROOT}/studies/{uid}/metadata").status_code == 404


def test_an_access_is_opened_before_and_closed_after(world, doctor):
    doctor.get(f"{ROOT}/studies/1.2.3")
    world.clock.now += 1
    world.services.ledger.expire(world.clock() + 10 * 60_000)
    world.services.accounts.sweep(world.clock())  # a write after it: the closing entry is in
    auditor, context = world.principal(Role.AUDITOR), world.context(Via.WEB)
    (line, *_) = world.services.trail.page(auditor, context, action="study.retrieve", study="1.2.3", limit=1)
    assert not line.at_least
    assert line.counts["instances"] >= 4
