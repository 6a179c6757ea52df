import io
import zipfile

import numpy as np
import pytest
from PIL import Image


def shown(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("L")).astype(int)


def test_the_images_of_a_series_in_order(doctor):
    assert doctor.get("/series/1/images").json() == {
        "images": [[1, 1, 64, 64], [2, 1, 64, 64], [3, 1, 64, 64]]
    }


def test_a_frame_with_what_was_applied(doctor):
    answer = doctor.get("/instances/1/frames/1")
    image = shown(answer)
    assert image.shape == (64, 64)
    facts = {
        name: answer.headers[f"leadglass-{name}"] for name in ("frames", "monochrome", "center", "width")
    }
    assert facts == {"frames": "1", "monochrome": "1", "center": "40", "width": "400"}


def test_the_window_is_applied_by_the_server(doctor):
    dark = shown(doctor.get("/instances/1/frames/1?center=2000&width=1"))
    bright = shown(doctor.get("/instances/1/frames/1?center=-2000&width=1"))
    assert dark.mean() < 5
    assert bright.mean() > 250


def test_the_edge_is_one_of_few(doctor):
    for asked, gets in (("1", 64), ("63", 64), ("97", 64), ("99999", 64)):
        image = shown(doctor.get(f"/instances/1/frames/1?edge={asked}"))
        assert max(image.shape) == gets, asked


@pytest.mark.parametrize(
    "query",
    ["center=1", "width=1",
     "center=x&width=1", "center=nan&width=1", "center=inf&width=1", "center=1&width=0",
     "center=1&width=-5", "center=1e99&width=1", "edge=x", "edge=-1", "edge=999999999"],
)  # fmt: skip
def test_a_window_that_is_none(doctor, query):
    answer = doctor.get(f"/instances/1/frames/1?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] in ("window", "edge")


@pytest.mark.parametrize("frame", ["0", "x", "-1", "1.0", "9999999"])
def test_a_frame_that_is_none(doctor, frame):
    assert doctor.get(f"/instances/1/frames/{frame}").status_code == 404


def test_an_object_without_pixels_says_so_in_a_code(fresh, helpers):
    from leadglass.access.principal import Role

    fresh.people()
    fresh.take_in(helpers.made_up(helpers.pixels(8)).split(b"\xe0\x7f\x10\x00")[0])  # cut before (7FE0,0010)
    client = fresh.client(Role.RADIOLOGIST)
    answer = client.get("/instances/1/frames/1")
    assert answer.status_code == 400
    assert set(answer.json()) == {"type", "title", "status", "code"}


def test_the_study_page_names_patient_study_and_series(doctor):
    page = doctor.get("/studies/1").text
    for text in ("Roth, Anna", "LG-0001", "73 y", "2026-01-31 13:45", "Axial", "2 series, 4 images"):
        assert text in page, text
    assert 'data-series="1" data-modality="CT"' in page
    assert doctor.get("/studies/1?series=2").text.count('aria-current="true"') == 1


def test_a_flipped_bit_is_never_shown(fresh, helpers):
    from leadglass.access.principal import Role

    fresh.people()
    fresh.take_in(helpers.made_up())
    (blob,) = [path for path in (fresh.root / "objects").rglob("*") if path.is_file()]
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    client = fresh.client(Role.RADIOLOGIST)
    for path in ("/instances/1/frames/1", "/dicom-web/studies/1.2.3", "/dicom-web/studies/1.2.3/metadata"):
        answer = client.get(path)
        assert answer.status_code == 500, path
        assert answer.json()["code"] == "tampered"
        assert "ROTH" not in answer.text


def test_a_study_leaves_as_a_zip_whose_name_tells_nothing(doctor, world):
    page = doctor.get("/studies/1")
    assert 'href="/studies/1/zip"' in page.text
    answer = doctor.get("/studies/1/zip")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="study-1.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1] == "DICOMDIR"
        assert len(archive.namelist()) == 5
