"""Images from the browser: what the page's script talks to, and the form for who has none."""

import hashlib
import io

import pydicom
import pytest

from leadglass.access.principal import Role, Via
from leadglass.archive.queries import Level, query_from_pairs

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
BOUNDARY = "----WebKitFormBoundaryx"


@pytest.fixture(scope="module")
def archive(helpers, tmp_path_factory):
    with helpers.new_world(tmp_path_factory.mktemp("upload")) as made:
        made.people()
        yield made


@pytest.fixture(scope="module")
def technologist(archive):
    return archive.client(Role.TECHNOLOGIST)


def image(helpers, number, study="1.2.5", **values):
    given = {
        "StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", "SOPInstanceUID": f"{study}.1.{number}",
        "PatientID": f"P{study}", **values,
    }  # fmt: skip
    return helpers.made_up(helpers.pixels(16), **given)


def related(*parts):
    delimiter = f"--{BOUNDARY}".encode()
    head = b"\r\nContent-Type: application/dicom\r\n\r\n"
    return b"\r\n" + b"".join(delimiter + head + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"


def sent(client, *parts, path="/upload/objects", kind="multipart/related", **headers):
    given = {"content-type": f"{kind}; boundary={BOUNDARY}", **SAME_ORIGIN, **headers}
    return client.post(path, content=related(*parts), headers=given)


def digest(file):
    parsed = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)
    start = 132 + 12 + parsed.file_meta.FileMetaInformationGroupLength
    return hashlib.sha256(file[start:]).hexdigest()


def asked(client, *pairs, path="/upload/already"):
    return client.post(path, json={"objects": pairs}, headers=SAME_ORIGIN)


def held(archive, study):
    query, _ = query_from_pairs(Level.INSTANCE, [("StudyInstanceUID", study)])
    who = archive.principal(Role.TECHNOLOGIST)
    page = archive.services.search.instances(who, query, archive.context(Via.WEB))
    return sorted(row.sop_instance_uid for row in page.rows)


def test_what_became_of_each_in_their_order(archive, technologist, helpers):
    first, other = image(helpers, 1), image(helpers, 1, StudyDescription="Another")
    answer = sent(technologist, first, b"no image", first, other, image(helpers, 2)[:-1], image(helpers, 3))
    assert answer.status_code == 200
    kinds = [one["kind"] for one in answer.json()["objects"]]
    assert kinds == ["stored", "refused", "duplicate", "kept_aside", "refused", "stored"]
    said = [one["sentence"] for one in answer.json()["objects"]]
    assert said[0] == said[2] == ""
    assert said[1] == "It is not a DICOM file."
    assert said[4] == "It is cut short or damaged: its data set does not add up."
    assert said[3] == "It contradicts what is kept here. Kept aside."
    assert held(archive, "1.2.5") == ["1.2.5.1.1", "1.2.5.1.3"]


def test_which_are_here_already(technologist, helpers):
    file = image(helpers, 1, study="1.2.6")
    sent(technologist, file)
    answer = asked(
        technologist, ["1.2.6.1.1", ""], ["1.2.6.1.1", digest(file)], ["1.2.6.1.1", "00" * 32], ["1.2.6.1.2", ""],
        ["no UID", ""],
    )  # fmt: skip
    assert answer.json() == {"here": [1, 2, 1, 0, 0]}


def test_another_department_s_are_absent(archive, technologist, helpers):
    file = image(helpers, 1, study="1.2.7")
    archive.take_in(file, helpers.FOREIGN)
    assert asked(technologist, ["1.2.7.1.1", digest(file)]).json() == {"here": [0]}
    assert (
        asked(technologist, ["1.2.7.1.1", ""], path="/upload/already?department=Cardiology").status_code
        == 403
    )


def test_to_ask_is_on_the_record(archive, technologist):
    asked(technologist, ["1.2.99", ""])
    line, *_ = archive.services.trail.page(
        archive.principal(Role.AUDITOR), archive.context(Via.WEB), action="object.compare"
    )
    assert line.counts == {"asked": 1, "instances": 0}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"objects": 1}', b'{"objects": [1]}', b'{"objects": [["1.2", "x"]]}', b'{"objects": [["1.2", "00"]]}',
     b'{"objects": [[1, ""]]}', b'{"objects": [["1.2", ""' , b'{"objects": [["' + b"1" * 65 + b'", ""]]}', b'{"objects": ["12"]}',
     b'{"objects": [' + b'["1", ""],' * 400 + b'["1", ""]]}', b'{"objects": [["1", null]]}'],
)  # fmt: skip
def test_a_question_that_is_none(technologist, body):
    headers = {"content-type": "application/json", **SAME_ORIGIN}
    answer = technologist.post("/upload/already", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "question")


@pytest.mark.parametrize("path", ["/upload", "/upload/objects", "/upload/already"])
def test_nothing_from_elsewhere_and_nothing_of_another_kind(archive, technologist, helpers, path):
    file = image(helpers, 1, study="1.2.8")
    assert sent(technologist, file, path=path, **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert sent(technologist, file, path=path, kind="text/plain").status_code == 415
    assert held(archive, "1.2.8") == []


def test_a_token_is_not_taken_where_the_page_is_meant(archive, helpers):
    headers = {"authorization": f"Bearer {archive.tokens[Role.TECHNOLOGIST]}"}
    assert sent(archive.client(), image(helpers, 1, study="1.2.8"), **headers).status_code == 401


def test_without_script_a_page_says_what_became_of_the_files(archive, technologist, helpers):
    names = ["ROTH^ANNA.dcm", "ROTH^BEN.txt", ""]
    parts = [
        ("files", (name, content))
        for name, content in zip(names, (image(helpers, 1, study="1.2.10"), b"no image", b""), strict=True)
    ]
    answer = technologist.post("/upload", files=parts, headers=SAME_ORIGIN)
    assert answer.status_code == 200
    assert "File 1" in answer.text and "Stored" in answer.text
    assert "File 2" in answer.text and "Refused" in answer.text
    assert "File 3" not in answer.text  # the field in which nothing was chosen
    assert "ROTH" not in answer.text
    assert held(archive, "1.2.10") == ["1.2.10.1.1"]


def test_without_script_and_without_a_file(technologist):
    answer = technologist.post("/upload", files=[("files", ("", b""))], headers=SAME_ORIGIN)
    assert answer.status_code == 200
    assert "No file was chosen" in answer.text


def test_no_name_of_a_file_is_kept_or_logged(archive, technologist, helpers, capfd):
    parts = [
        ("files", ("KRAUSE^EVA.dcm", image(helpers, 1, study="1.2.11"))),
        ("files", ("KRAUSE^EVA\x07.dcm", b"x")),
    ]
    technologist.post("/upload", files=parts, headers=SAME_ORIGIN)
    assert "KRAUSE" not in "".join(capfd.readouterr())
    lines = archive.services.trail.page(
        archive.principal(Role.AUDITOR), archive.context(Via.WEB), study="1.2.11"
    )
    assert lines and "KRAUSE" not in str(lines)


def test_a_page_for_who_has_several_departments(archive, helpers):
    from leadglass.access import users

    db = archive.services.db
    with db.read() as connection:
        user = users.find_user(connection, "pacsadmin")
    everywhere = frozenset(archive.departments.values())
    db.write(lambda tx: users.set_departments(tx, user.id, everywhere)).result()
    client = archive.client(Role.PACS_ADMINISTRATOR)
    page = client.get("/upload?department=Cardiology").text
    assert 'data-department="Cardiology"' in page
    assert 'action="/upload?department=Cardiology"' in page
    file = image(helpers, 1, study="1.2.12")
    assert sent(client, file).json()["code"] == "department"
    assert (
        sent(client, file, path="/upload/objects?department=Cardiology").json()["objects"][0]["kind"]
        == "stored"
    )
    assert held(archive, "1.2.12") == []  # not the technologist's


def test_no_room_aside_is_one_object_s_and_not_the_upload_s(technologist, archive, helpers, monkeypatch):
    sent(technologist, image(helpers, 1, study="1.2.14"))
    monkeypatch.setattr("leadglass.archive.placing.asides.bytes_of_source", lambda *_: 1 << 40)
    other = image(helpers, 1, study="1.2.14", StudyDescription="Another")
    refused, stored = sent(technologist, other, image(helpers, 2, study="1.2.14")).json()["objects"]
    assert (refused["kind"], stored["kind"]) == ("refused", "stored")
    assert "kept aside" in refused["sentence"]


def test_a_full_disk_says_so_of_each(technologist, archive, helpers, monkeypatch):
    monkeypatch.setattr(archive.services.db.reserve, "room_for_objects", lambda: False)
    (became,) = sent(technologist, image(helpers, 1, study="1.2.13")).json()["objects"]
    assert became["kind"] == "unavailable"
    assert "no room" in became["sentence"]
