"""People's ways through the portal, in a real Chromium."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_doctor_finds_a_study_and_comes_back_to_the_search(signed_in):
    page = signed_in("dr.roth")
    page.fill("#name", "okafor")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#results tbody tr")).to_have_count(1)
    assert re.search(r"/studies\?search=[\w-]{12}$", page.url)
    assert "okafor" not in page.url.lower()
    page.get_by_role("link", name="Okafor, Chidi").click()
    page.wait_for_url(re.compile(r"/studies/\d+$"))
    page.go_back()
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.locator("#name")).to_have_value("okafor")


def test_signing_in_and_the_same_without_any_script(open_page, address, helpers):
    page = open_page(base_url=address, java_script_enabled=False)
    page.goto("/studies")
    page.fill("#name", "dr.roth")
    page.fill("#password", helpers.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.fill("#name", "okafor")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#results tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Okafor, Chidi").click()
    expect(page.get_by_role("heading", name="Okafor, Chidi")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_on_a_phone_the_search_is_folded_and_says_what_it_found(signed_in):
    page = signed_in("dr.roth", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    expect(page.locator("#name")).not_to_be_visible()
    expect(page.locator("#filters")).to_have_text("the newest studies")
    page.locator(".fold summary").click()
    page.fill("#name", "okafor")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.locator("#filters")).to_have_text("name: okafor")
    expect(page.locator("#name")).not_to_be_visible()


def test_htmx_swaps_the_results_only(signed_in):
    page = signed_in("dr.roth")
    if page.locator("script[src*=htmx]").count() == 0:
        pytest.skip("htmx is not set up: python scripts/fetch_assets.py")
    page.evaluate("window.stays = 1")
    page.fill("#name", "nobody of that name")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No study found")).to_be_visible()
    assert page.evaluate("window.stays") == 1
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])")
    assert "nobody" not in stored
    assert "Roth" not in stored


def test_an_ended_session_leads_to_the_sign_in_page(signed_in):
    page = signed_in("dr.roth")
    page.context.clear_cookies()
    page.fill("#name", "roth")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_no_name_and_no_token_in_any_address_or_referer(signed_in):
    page = signed_in("dr.roth")
    requests = []
    page.on(
        "request", lambda request: requests.append((request.url, request.all_headers().get("referer", "")))
    )
    page.fill("#name", "lindqvist")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Lindqvist, Maja").click()
    expect(page.locator("#canvas")).to_have_attribute("aria-label", re.compile("Image 1 of 1"))
    assert len(requests) > 3
    for url, referer in requests:
        assert referer == ""
        assert not re.search("lindqvist|maja|DEMO-", url, re.IGNORECASE)


@pytest.mark.parametrize(
    ("name", "heading"),
    [("auditor", "Record"), ("sysadmin", "Status"), ("pacsadmin", "Arrivals"), ("tech", "Studies")],
)
def test_everybody_lands_where_they_work(signed_in, name, heading):
    page = signed_in(name)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_the_set_up_code_moves_from_the_fragment_into_the_form(open_page, tmp_path, helpers):
    import sys

    gallery = sys.modules["leadglass_tests_browser_gallery"]
    with helpers.new_world(tmp_path) as world, gallery.served(world) as address:
        code = world.services.accounts.create_setup_link(helpers.OPERATOR, world.context())
        page = open_page()
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{address}/set-up#{code}")
        expect(page.locator("#code")).to_have_value(code)
        assert page.url == f"{address}/set-up"
        page.fill("#name", "first.admin")
        page.fill("#password", helpers.PASSWORD)
        page.fill("#again", helpers.PASSWORD)
        page.get_by_role("button", name="Make the administrator").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Status")
        assert not any(code in url.split("#")[0] for url in requests)
        assert page.evaluate("window.violations") == []


PAGES = [("dr.roth", "/studies"), ("dr.roth", "/studies/1"), ("auditor", "/record"), ("sysadmin", "/status"),
         ("pacsadmin", "/aside")]  # fmt: skip


@pytest.mark.parametrize(("name", "path"), PAGES)
def test_on_a_phone_nothing_sticks_out_and_targets_are_large(signed_in, name, path):
    page = signed_in(name, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        """[...document.querySelectorAll('button, .button, .places a, summary, input:not([type=hidden]), select')]
           .filter(one => one.offsetParent && !one.classList.contains('link-button'))
           .map(one => [one.outerHTML.slice(0, 60), one.getBoundingClientRect().height])
           .filter(([, height]) => height < 44)"""
    )
    assert small == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "path"), PAGES)
def test_text_has_contrast(signed_in, name, path, scheme):
    """WCAG 2.2 1.4.3: 4.5 to 1, for every text on a plain ground."""
    page = signed_in(name, color_scheme=scheme)
    page.goto(path)
    poor = page.evaluate(CONTRAST)
    assert poor == []


CONTRAST = """() => {
  const light = (c) => { const v = c / 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), poor = [];
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || !one.offsetParent || one.closest('.stage, script, noscript')) continue;
    const both = [luminance(parse(getComputedStyle(one).color)), luminance(ground(one))];
    const contrast = (Math.max(...both) + .05) / (Math.min(...both) + .05);
    if (contrast < 4.5) poor.push([text.slice(0, 30), contrast.toFixed(2)]);
  }
  return poor;
}"""
