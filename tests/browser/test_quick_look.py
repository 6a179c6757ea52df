"""The quick look: scrolling, windows, keys, slow networks, failures."""

import re
import zipfile

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MEAN = """() => { const c = document.getElementById('canvas'); const d = c.getContext('2d')
  .getImageData(0, 0, c.width, c.height).data; let s = 0; for (let i = 0; i < d.length; i += 4) s += d[i];
  return s / (d.length / 4); }"""


@pytest.fixture
def ct(filled, signed_in):
    def opened(**settings):
        page = signed_in("dr.roth", **settings)
        page.goto(f"/studies/{filled.study_id('A2601')}")
        shows(page, 1)
        return page

    return opened


def shows(page, number, of=12):
    expect(page.locator("#canvas")).to_have_attribute("aria-label", re.compile(f"^Image {number} of {of},"))
    expect(page.locator("#at-position")).to_have_text(f"{number} / {of}")


def test_every_way_to_scroll(ct):
    page = ct()
    stage = page.locator("#stage")
    stage.focus()
    for key, number in (("ArrowDown", 2), ("ArrowRight", 3), ("ArrowUp", 2), ("PageDown", 12), ("Home", 1),
                        ("ArrowUp", 1), ("End", 12), ("PageUp", 2)):  # fmt: skip
        page.keyboard.press(key)
        shows(page, number)
    stage.hover()
    page.mouse.wheel(0, 40)
    shows(page, 3)
    page.mouse.wheel(0, -40)
    shows(page, 2)
    page.locator("#slider").fill("7")
    shows(page, 7)
    expect(page.locator("#said")).to_have_text("Image 7 of 12")


def test_an_image_is_really_drawn_and_the_window_changes_it(ct):
    page = ct()
    page.keyboard.press("Home")
    before = page.evaluate(MEAN)
    assert before > 3
    page.get_by_role("button", name="Lung").click()
    expect(page.locator("#at-window")).to_have_text("C -600 W 1500")
    page.wait_for_function(f"() => ({MEAN})() > {before} + 5")
    expect(page.get_by_role("button", name="Lung")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#at-window")).to_have_text("C 40 W 400")


def test_window_by_keys_and_by_mouse(ct):
    page = ct()
    page.locator("#stage").focus()
    page.keyboard.press("2")
    expect(page.locator("#at-window")).to_have_text("C -600 W 1500")
    page.keyboard.press("d")
    expect(page.locator("#at-window")).to_have_text("C -600 W 1575")
    page.keyboard.press("w")
    expect(page.locator("#at-window")).to_have_text("C -521 W 1575")
    page.keyboard.press("r")
    expect(page.locator("#at-window")).to_have_text("C 40 W 400")
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 125, y + 50, steps=5)
    page.mouse.up()
    expect(page.locator("#at-window")).to_have_text("C -40 W 600")


def test_a_finger_scrolls_or_sets_the_window(ct):
    page = ct(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    height = page.locator("#stage").bounding_box()["height"]
    finger = page.context.new_cdp_session(page)

    def swipe(dx, dy):
        page.locator("#stage").scroll_into_view_if_needed()
        box = page.locator("#stage").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for part in (0.5, 1):
            point = {"x": x + dx * part, "y": y + dy * part}
            finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(0, height / 13 * 3)
    shows(page, 4)
    page.locator("#drag").click()
    swipe(125, 0)
    expect(page.locator("#at-window")).to_have_text("C 40 W 600")
    shows(page, 4)


def test_presets_are_for_ct_and_windows_for_gray(filled, signed_in):
    page = signed_in("dr.roth")
    page.goto(f"/studies/{filled.study_id('A2602')}")
    shows(page, 1, 1)
    expect(page.locator("#presets")).to_be_hidden()
    expect(page.locator("#reset")).to_be_visible()
    expect(page.locator("#slider")).to_be_disabled()
    page.goto(f"/studies/{filled.study_id('A2606')}")  # a colour film
    shows(page, 1, 120)
    expect(page.locator("#reset")).to_be_hidden()
    page.locator("#stage").focus()
    page.keyboard.press("End")
    shows(page, 120, 120)


def test_another_series_without_another_page(ct):
    page = ct()
    page.evaluate("window.stays = 1")
    page.get_by_role("link", name="Lung 1 mm").click()
    shows(page, 1, 6)
    expect(page.locator("#at-name")).to_have_text("Lung 1 mm")
    assert page.evaluate("window.stays") == 1
    page.reload()
    shows(page, 1, 6)


def test_on_a_slow_network_only_the_newest_wish_is_asked_for(ct):
    """Ten images passed over while one is under way: none of them is ever asked for."""
    page = ct()
    page.wait_for_load_state("networkidle")
    page.get_by_role("link", name="Lung 1 mm").click()
    shows(page, 1, 6)
    page.wait_for_load_state("networkidle")
    asked, held = [], []

    def hold(route):
        asked.append(route.request.url)
        held.append(route)

    page.route("**/frames/*center=*", hold)
    page.locator("#stage").focus()
    page.keyboard.press("2")
    for _ in range(8):
        page.keyboard.press("d")
    for _ in range(100):
        if len(asked) >= 2:
            break
        if held:
            held.pop().continue_()
        page.wait_for_timeout(50)
    widths = [float(re.search(r"width=([\d.]+)", url)[1]) for url in asked]
    assert widths[0] == 1500
    assert widths[1] > 2000
    for route in held:
        route.continue_()
    page.unroute_all(behavior="wait")


def test_neighbours_are_fetched_ahead(ct):
    page = ct()
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#stage").focus()
    page.keyboard.press("ArrowDown")
    shows(page, 2)
    current = page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('frames')).length"
    )
    assert current >= 7  # this one and six ahead, besides the thumbnails
    page.wait_for_load_state("networkidle")
    assert len([url for url in asked if "/frames/" in url]) <= 2


@pytest.mark.parametrize(
    ("status", "says", "again"),
    [
        (503, "at the moment", True),
        (500, "integrity check", True),
        (400, "no picture", False),
        (404, "not yours", False),
    ],
)
def test_a_failure_is_said_and_the_next_image_works(ct, status, says, again):
    page = ct()
    page.wait_for_load_state("networkidle")
    page.route("**/frames/*center=500*", lambda route: route.fulfill(status=status, body="{}"))
    page.get_by_role("button", name="Bone").click()
    expect(page.locator("#failed")).to_be_visible()
    expect(page.locator("#failed-why")).to_contain_text(says)
    expect(page.locator("#said")).to_contain_text("is not shown")
    assert page.locator("#again").is_visible() is again
    page.unroute("**/frames/*center=500*")
    if again:
        page.locator("#again").click()
        expect(page.locator("#at-window")).to_have_text("C 500 W 2000")
    else:
        page.get_by_role("button", name="Lung").click()
        expect(page.locator("#at-window")).to_have_text("C -600 W 1500")
    expect(page.locator("#failed")).to_be_hidden()


def test_no_connection_is_said(ct):
    page = ct()
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    page.get_by_role("button", name="Bone").click()
    expect(page.locator("#failed-why")).to_contain_text("no connection")
    page.context.set_offline(False)
    page.locator("#again").click()
    expect(page.locator("#failed")).to_be_hidden()


def test_an_ended_session_blanks_the_viewer(ct):
    page = ct()
    page.wait_for_load_state("networkidle")
    page.context.clear_cookies()
    page.get_by_role("button", name="Bone").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_study_is_downloaded_as_a_zip(ct, tmp_path):
    page = ct()
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    started.value.save_as(tmp_path / "it.zip")
    assert re.fullmatch(r"study-[0-9]+\.zip", started.value.suggested_filename)
    with zipfile.ZipFile(tmp_path / "it.zip") as archive:
        assert archive.testzip() is None
        assert "DICOMDIR" in archive.namelist()
    shows(page, 1)
