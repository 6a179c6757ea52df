"""STOW-RS, asked by dicomweb-client through a real server and by hand."""

import importlib.util
import io
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session
from requests.exceptions import HTTPError

from leadglass.access.principal import Role, Via
from leadglass.archive.queries import Level, query_from_pairs

STUDIES = "/dicom-web/studies"
BOUNDARY = "b0undary"
KIND = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
SR = "1.2.840.10008.5.1.4.1.1.88.11"


def body(*parts, head=b"Content-Type: application/dicom"):
    delimiter = b"--" + BOUNDARY.encode()
    return (
        b"".join(delimiter + b"\r\n" + head + b"\r\n\r\n" + part + b"\r\n" for part in parts)
        + delimiter
        + b"--"
    )


@pytest.fixture(scope="module")
def archive(helpers, tmp_path_factory):
    with helpers.new_world(tmp_path_factory.mktemp("stow")) as made:
        made.people()
        yield made


@pytest.fixture(scope="module")
def browser(archive):
    return archive.client()


@pytest.fixture
def post(archive, browser):
    """A function that stores over HTTP as the technologist."""

    def posted(content, path=STUDIES, role=Role.TECHNOLOGIST, **headers):
        given = {"content-type": KIND, "authorization": f"Bearer {archive.tokens[role]}", **headers}
        return browser.post(path, content=content, headers=given)

    return posted


@pytest.fixture
def image(helpers, request):
    """A function that makes an image of a study of the test's own."""
    root = f"1.2.{abs(hash(request.node.name)) % 10**12}"

    def made(number=1, **values):
        given = {
            "StudyInstanceUID": root, "SeriesInstanceUID": f"{root}.1", "SOPInstanceUID": f"{root}.1.{number}",
            "PatientID": f"P{root}", **values,
        }  # fmt: skip
        return helpers.made_up(helpers.pixels(16), **given)

    made.study = root
    return made


def held(archive, study):
    query, _ = query_from_pairs(Level.INSTANCE, [("StudyInstanceUID", study)])
    page = archive.services.search.instances(
        archive.principal(Role.TECHNOLOGIST), query, archive.context(Via.WEB)
    )
    return sorted(row.sop_instance_uid for row in page.rows)


def failed(answer):
    return [item["00081197"]["Value"][0] for item in answer.json().get("00081198", {}).get("Value", [])]


def test_dicomweb_client_stores_and_retrieves(archive, image):
    gallery = sys.modules.setdefault("leadglass_tests_gallery", _gallery())
    with gallery.served(archive) as address:
        session = create_session()
        session.headers["Authorization"] = f"Bearer {archive.tokens[Role.TECHNOLOGIST]}"
        client = DICOMwebClient(url=f"{address}/dicom-web", session=session, chunk_size=5000)
        sent = [pydicom.dcmread(io.BytesIO(image(number))) for number in (1, 2, 3)]
        answer = client.store_instances(sent, image.study)
        assert "FailedSOPSequence" not in answer
        assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [
            ds.SOPInstanceUID for ds in sent
        ]
        found = client.retrieve_instance(image.study, f"{image.study}.1", f"{image.study}.1.2")
        assert found == sent[1]
        with pytest.raises(HTTPError, match="409"):
            client.store_instances([sent[0]], "1.2.3.4")


def _gallery():
    path = Path(__file__).parents[1] / "browser" / "gallery.py"
    spec = importlib.util.spec_from_file_location("leadglass_tests_gallery", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_of_them(archive, post, image):
    answer = post(body(image(1), image(2)))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+json")
    assert "00081198" not in answer.json()
    kept = answer.json()["00081199"]["Value"]
    assert [item["00081155"]["Value"] for item in kept] == [[f"{image.study}.1.1"], [f"{image.study}.1.2"]]
    url = kept[0]["00081190"]["Value"][0]
    assert url.endswith(
        f"/dicom-web/studies/{image.study}/series/{image.study}.1/instances/{image.study}.1.1"
    )
    assert held(archive, image.study) == [f"{image.study}.1.1", f"{image.study}.1.2"]


def test_without_a_token_a_program_is_asked_who_it_is(browser):
    answer = browser.post(STUDIES, content=b"")
    assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")


def test_the_same_again_is_stored(post, image):
    assert post(body(image())).status_code == 200
    assert post(body(image())).status_code == 200


def test_into_the_study_that_the_address_names(post, image):
    answer = post(body(image()), f"{STUDIES}/{image.study}")
    assert answer.status_code == 200
    assert answer.json()["00081190"]["Value"][0].endswith(f"/studies/{image.study}")


def test_an_instance_of_another_study_fails_alone(archive, post, image):
    other = image(2, StudyInstanceUID="1.2.77.1", SeriesInstanceUID="1.2.77.1.1")
    answer = post(body(other, image(1)), f"{STUDIES}/{image.study}")
    assert answer.status_code == 202
    assert failed(answer) == [0xA900]
    assert held(archive, image.study) == [f"{image.study}.1.1"]
    assert held(archive, "1.2.77.1") == []


def test_none_of_them(post, image):
    answer = post(body(image()), f"{STUDIES}/1.2.77.2")
    assert (answer.status_code, failed(answer)) == (409, [0xA900])


def test_a_contradiction_is_kept_aside_and_fails(post, image):
    post(body(image()))
    answer = post(body(image(StudyDescription="Another")))
    assert (answer.status_code, failed(answer)) == (409, [0xC001])


@pytest.mark.parametrize("part", [b"", b"no image", bytes(128) + b"DICM", bytes(2000)])
def test_what_cannot_be_read_fails_without_a_name(archive, post, image, part):
    answer = post(body(part, image()))
    assert answer.status_code == 202
    assert [item["00081197"]["Value"] for item in answer.json()["0008119A"]["Value"]] == [[0xC000]]
    assert held(archive, image.study) == [f"{image.study}.1.1"]


def test_cut_short_inside_of_a_part(archive, post, image):
    """The boundary that ends the body is missing: nobody knows whether the last object is whole."""
    whole = body(image(1), image(2))
    for end in (len(whole) - 2, len(whole) - 300):
        answer = post(whole[:end])
        assert (answer.status_code, answer.json()["code"]) == (400, "multipart")
    assert held(archive, image.study) == [f"{image.study}.1.1"]


@pytest.mark.parametrize(
    "kind",
    [
        "application/dicom",
        'multipart/related; type="application/dicom+json"; boundary=x',
        'multipart/related; type="application/dicom+xml"; boundary=x',
        "multipart/form-data; boundary=x",
        "multipart/related; boundary=x",
        "",
    ],
)
def test_nothing_but_binary_instances(post, image, kind):
    answer = post(body(image()), **{"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (415, "binary-instances-only")


@pytest.mark.parametrize(
    "kind",
    [
        'multipart/related; type="application/dicom"',
        f'multipart/related; type="application/dicom"; boundary="{"b" * 71}"',
        'multipart/related; type="application/dicom"; boundary=other',
    ],
)
def test_a_boundary_that_is_none(post, image, kind):
    answer = post(body(image()), **{"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "multipart")


def test_answers_are_json(post, image):
    assert post(body(image()), accept="application/dicom+xml").status_code == 406
    assert post(body(image()), accept="application/json").status_code == 200


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR])
def test_only_who_may(archive, post, image, role):
    assert post(body(image()), role=role).status_code == 403
    assert held(archive, image.study) == []


def test_a_department_is_one_s_own(archive, post, image):
    assert post(body(image()), f"{STUDIES}?department=radiology").status_code == 200
    for name in ("Cardiology", "Nowhere", ""):
        assert post(body(image(2)), f"{STUDIES}?department={name}").status_code == 403
    assert held(archive, image.study) == [f"{image.study}.1.1"]


def test_a_head_without_end_is_refused(post, image):
    for head in (b"X: " + b"y" * 2000, b"\r\n".join(b"X-%d: y" % n for n in range(40))):
        assert post(body(image(), head=head)).status_code == 400


def test_more_parts_than_are_taken(archive, image, post, monkeypatch):
    monkeypatch.setattr("leadglass.web.receiving.MOST_PARTS", 2)
    assert post(body(image(1), image(2), image(3))).status_code == 400
    assert held(archive, image.study) == [f"{image.study}.1.1", f"{image.study}.1.2"]


def test_larger_than_an_object_may_be(archive, image, post, monkeypatch):
    monkeypatch.setattr(archive.services.deliveries, "_largest", 500)
    answer = post(body(image(1), b"short"))
    assert answer.status_code == 409
    assert [item["00081197"]["Value"] for item in answer.json()["0008119A"]["Value"]] == [[0xC000]] * 2
    assert held(archive, image.study) == []


def test_no_more_at_once_than_there_are_places(archive, image, helpers):
    settings = helpers.WebSettings(public_url=helpers.URL, deliveries=0)
    client = archive.client(app=archive.app(settings))
    headers = {"content-type": KIND, "authorization": f"Bearer {archive.tokens[Role.TECHNOLOGIST]}"}
    answer = client.post(STUDIES, content=body(image()), headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "busy", "5")


def streamed(archive, port, content, token):
    """A connection on which the head of a request is sent for all of `content`, and none of it."""
    head = (
        f"POST {STUDIES} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: {KIND}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.sendall(head.encode())
    return sock


def arrives(archive, study, *numbers):
    until = time.monotonic() + 10
    while held(archive, study) != [f"{study}.1.{n}" for n in numbers] and time.monotonic() < until:
        time.sleep(0.05)
    return held(archive, study) == [f"{study}.1.{n}" for n in numbers]


def test_a_sender_that_goes_away_leaves_what_came_whole(archive, image):
    """By a real connection: the second object is cut off in the middle."""
    gallery = sys.modules.setdefault("leadglass_tests_gallery", _gallery())
    before = blobs(archive)
    with gallery.served(archive) as address:
        content = body(image(1), image(2))
        token = archive.tokens[Role.TECHNOLOGIST]
        with streamed(archive, urlsplit(address).port, content, token) as sock:
            sock.sendall(content[: len(content) - 400])
            time.sleep(0.2)
        assert arrives(archive, image.study, 1)
    assert blobs(archive) == before + 1


def test_a_right_that_is_taken_away_while_a_body_comes_is_gone(archive, image, helpers, monkeypatch):
    monkeypatch.setattr("leadglass.web.receiving.AGAIN", 0.0)
    gallery = sys.modules.setdefault("leadglass_tests_gallery", _gallery())
    accounts, name = archive.services.accounts, helpers.PEOPLE[Role.TECHNOLOGIST]
    known = {one.id for one in accounts.list_tokens(helpers.OPERATOR, archive.context())}
    token = accounts.create_token(helpers.OPERATOR, name, archive.context())
    (new,) = {one.id for one in accounts.list_tokens(helpers.OPERATOR, archive.context())} - known
    with gallery.served(archive) as address:
        content = body(image(1), image(2), image(3))
        with streamed(archive, urlsplit(address).port, content, token) as sock:
            second = content.index(b"--" + BOUNDARY.encode(), 10) + len(BOUNDARY) + 2
            sock.sendall(content[:second])
            time.sleep(0.2)  # what comes while a thread is at work waits for the next bytes
            sock.sendall(content[second : second + 2])
            assert arrives(archive, image.study, 1)
            accounts.revoke_token(helpers.OPERATOR, new, archive.context())
            sock.sendall(content[second + 2 :])
            answer = sock.recv(65536)
            assert b" 202 " in answer.split(b"\r\n")[0]
    assert held(archive, image.study) == [f"{image.study}.1.1", f"{image.study}.1.2"]  # the second had begun


def blobs(archive):
    """Objects of any kind but those made ahead, which are empty."""
    return sum(1 for path in (archive.root / "objects").rglob("*") if path.is_file() and path.stat().st_size)


def test_each_is_on_the_record_before_the_answer(archive, post, image):
    post(body(image(1), image(2)))
    lines = archive.services.trail.page(
        archive.principal(Role.AUDITOR), archive.context(Via.WEB), study=image.study
    )
    assert [(line.action, line.via) for line in lines] == [("object.store", "dicomweb")] * 2
    assert "STOW-RS" in str(lines[0])
