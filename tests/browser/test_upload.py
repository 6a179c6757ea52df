"""Uploads in a real Chromium: files, a folder, a zip with good and bad members, and going on after the browser
was closed in the middle."""

import io
import re
import zipfile

import numpy as np
import pytest
from playwright.sync_api import expect

from leadglass.access.principal import Role, Via
from leadglass.archive.queries import Level, query_from_pairs

pytestmark = pytest.mark.browser
SIDE = 128  # pixels: 32 KB an image


@pytest.fixture
def image(helpers, request):
    """A function that makes an image of a study of the test's own."""
    study = "1.2.826.0.1.3680043.10.7." + str(sum(map(ord, request.node.name)))

    def made(number, **values):
        pixels = np.random.default_rng(number).integers(0, 900, (SIDE, SIDE)).astype(np.int16)
        given = {
            "StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", "SOPInstanceUID": f"{study}.1.{number}",
            "PatientID": f"UP-{study[-6:]}", "PatientName": "UPLOAD^TEST", **values,
        }  # fmt: skip
        return helpers.made_up(pixels, **given)

    made.study = study
    return made


@pytest.fixture
def page(signed_in):
    opened = signed_in("tech")
    opened.goto("/upload")
    return opened


def held(world, study):
    query, _ = query_from_pairs(Level.INSTANCE, [("StudyInstanceUID", study)], limit=500)
    found = world.services.search.instances(world.principal(Role.TECHNOLOGIST), query, world.context(Via.WEB))
    return sorted(int(row.sop_instance_uid.rpartition(".")[2]) for row in found.rows)


def files(folder, contents):
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def counts(page):
    return [
        page.locator(f"#count-{kind}").inner_text()
        for kind in ("stored", "duplicate", "kept_aside", "refused")
    ]


def choose(page, field, paths):
    page.set_input_files(field, paths)
    expect(page.locator("#end")).to_be_visible()


def test_files(page, filled, image, tmp_path):
    files(
        tmp_path,
        {"one": image(1), "two": image(2), "again": image(1), "ROTH^ANNA.txt": b"text", "empty": b""},
    )
    requests = []
    page.on(
        "request", lambda request: requests.append((request.url, (request.post_data_buffer or b"")[:200]))
    )
    choose(page, "#files", [tmp_path / name for name in ("one", "two", "again", "ROTH^ANNA.txt", "empty")])
    assert counts(page) == ["2", "1", "0", "2"]
    expect(page.locator("#end")).to_have_text("Done. 2 stored, 1 already here, 2 refused.")
    expect(page.locator("#end")).to_be_focused()
    page.locator(".reason", has_text="not a DICOM file").locator("summary").click()
    expect(page.locator(".reason li:visible")).to_have_text("ROTH^ANNA.txt")
    assert held(filled, image.study) == [1, 2]
    assert requests and not [one for one in requests if "ROTH" in one[0] or b"ROTH^ANNA.txt" in one[1]]
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])")
    assert "ROTH" not in stored


def test_a_disc_is_a_folder_whatever_its_contents_say(page, filled, image, tmp_path):
    disc = {"DICOMDIR": b"broken", "AUTORUN.INF": b"[autorun]", "VIEWER/VIEW.EXE": b"MZ" * 900}
    images = {f"DICOM/S{number % 2}/IM{number}": image(number) for number in range(1, 9)}
    choose(page, "#folder", files(tmp_path / "disc", disc | images))
    assert counts(page) == ["8", "0", "0", "2"]
    assert held(filled, image.study) == list(range(1, 9))


def test_a_zip_with_good_and_bad_members(page, filled, image, tmp_path):
    inner, out = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x", image(9))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../up/one.dcm", image(1))
        archive.writestr("DICOMDIR", b"not to be trusted")
        archive.writestr("readme.txt", b"text" * 100)
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("bomb.dcm", bytes(20 << 20))
        archive.writestr("truncated.dcm", image(2)[:-1])
        archive.writestr("other.dcm", image(1, StudyDescription="Another"))
        archive.writestr("two.dcm", image(2))
    choose(page, "#files", [tmp_path / "a.zip"] if (tmp_path / "a.zip").write_bytes(out.getvalue()) else [])
    assert counts(page) == ["2", "0", "1", "4"]
    reasons = " ".join(page.locator(".reason summary").all_inner_texts())
    for said in (
        "zip inside a zip",
        "far more than it is packed",
        "not a DICOM file",
        "contradicts what is kept here",
    ):
        assert said in reasons, reasons
    assert held(filled, image.study) == [1, 2]


def test_a_zip_that_is_none(page, image, tmp_path):
    (tmp_path / "cut.zip").write_bytes(b"PK\3\4" + bytes(3000))
    (tmp_path / "good").write_bytes(image(1))
    choose(page, "#files", [tmp_path / "cut.zip", tmp_path / "good"])
    assert counts(page) == ["1", "0", "0", "1"]
    expect(page.locator(".reason summary")).to_contain_text("cut short or damaged")


def test_closed_in_the_middle_and_gone_on_with(signed_in, filled, image, tmp_path):
    """The second lot never gets through; then the browser is closed. Another one goes on with what is missing."""
    folder = files(tmp_path / "study", {f"IM{number:04}": image(number) for number in range(1, 251)})
    first = signed_in("tech")
    first.goto("/upload")
    arrived = []

    def hold(route):
        arrived.append(route)
        if len(arrived) == 1:
            route.continue_()  # the others hang

    first.route("**/upload/objects*", hold)
    first.set_input_files("#folder", folder)
    expect(first.locator("#count-stored")).to_have_text("100")
    first.close()
    second = signed_in("tech")
    second.goto("/upload")
    sizes = []
    second.on(
        "request",
        lambda request: (
            "/upload/objects" in request.url and sizes.append(len(request.post_data_buffer or b""))
        ),
    )
    choose(second, "#folder", folder)
    stored, here, *others = map(int, counts(second))
    assert here >= 100  # what came whole of the lot that was cut off too
    assert (stored + here, others) == (250, [0, 0])
    assert sum(sizes) < (stored + 1) * len(image(1))
    assert len(held(filled, image.study)) == 250


def test_the_network_fails_and_comes_back(page, filled, image, tmp_path):
    for number in range(1, 4):
        (tmp_path / str(number)).write_bytes(image(number))
    page.route("**/upload/**", lambda route: route.abort())
    page.set_input_files("#files", [tmp_path / str(number) for number in range(1, 4)])
    expect(page.locator("#how-far")).to_contain_text("There is no connection")
    page.unroute("**/upload/**")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#end")).to_have_text("Done. 3 stored.")
    assert held(filled, image.study) == [1, 2, 3]


def test_stopped_and_signed_out(page, image, tmp_path):
    (tmp_path / "one").write_bytes(image(1))
    page.route("**/upload/objects*", lambda route: None)
    page.set_input_files("#files", [tmp_path / "one"])
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#end")).to_have_text(
        "Stopped. Choose the same again to go on: what is here is not sent again."
    )
    page.unroute("**/upload/objects*")
    page.context.clear_cookies()
    choose(page, "#files", [tmp_path / "one"])
    expect(page.locator("#end")).to_contain_text("You were signed out")


def test_dropped(page, filled, image):
    content = list(image(1))
    page.evaluate(
        """(content) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(content)], "one.dcm"));
          for (const kind of ["dragenter", "dragover", "drop"])
            document.querySelector(".drop").dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
        }""",
        content,
    )
    expect(page.locator("#end")).to_have_text("Done. 1 stored.")
    assert held(filled, image.study) == [1]


def test_by_keyboard_alone(page):
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "files":
            break
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    assert chooser.value.is_multiple()


def test_without_any_script(open_page, address, sessions, filled, image, tmp_path):
    page = open_page(base_url=address, java_script_enabled=False)
    page.context.add_cookies([{"name": "leadglass", "value": sessions["tech"], "url": address}])
    page.goto("/upload")
    expect(page.get_by_text("JavaScript is off")).to_be_visible()
    (tmp_path / "one").write_bytes(image(1))
    (tmp_path / "two").write_bytes(b"text")
    page.set_input_files("#plain-files", [tmp_path / "one", tmp_path / "two"])
    page.get_by_role("button", name="Send").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody tr").first).to_contain_text(re.compile("File 1.*Stored", re.DOTALL))
    assert held(filled, image.study) == [1]
