"""Markup in every indexed attribute of an ingested file stays text, on every page, in a real browser."""

import sys

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PAYLOADS = (
    "<script>window.owned=1</script>",
    '"><img src=x onerror=window.owned=1>',
    "'-window.owned=1-'",
    "{{ 7*7 }}<svg onload=window.owned=1>",
)
TEXT = (
    "PatientID",
    "AccessionNumber",
    "StudyDescription",
    "SeriesDescription",
    "StudyID",
    "BodyPartExamined",
    "IssuerOfPatientID",
    "Modality",
    "PatientSex",
    "Laterality",
)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom says that these are no legal values
@pytest.mark.parametrize("payload", PAYLOADS)
def test_inert(open_page, helpers, tmp_path, payload):
    gallery = sys.modules["leadglass_tests_browser_gallery"]
    with helpers.new_world(tmp_path) as world, gallery.served(world) as address:
        world.people()
        values = dict.fromkeys(TEXT, payload)
        names = {"PatientName": payload, "ReferringPhysicianName": payload}
        file = helpers.made_up(**names, **values)
        other = helpers.made_up(**names, **values, StationName="x")
        assert world.take_in(file).instance_id
        world.take_in(other)  # kept aside
        visits = {"dr.roth": ("/studies", "/studies/1"), "pacsadmin": ("/aside",), "auditor": ("/record",)}
        for name, paths in visits.items():
            page = open_page(base_url=address)
            page.goto("/sign-in")
            page.fill("#name", name)
            page.fill("#password", helpers.PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(lambda url: not url.endswith("/sign-in"))
            for path in paths:
                page.goto(path)
                page.wait_for_load_state("networkidle")
                assert page.evaluate("window.owned") is None
                assert page.evaluate("window.violations") == []
                assert page.locator("main svg, main img[src=x]").count() == 0
        searching = open_page(base_url=address)
        searching.goto("/sign-in")
        searching.fill("#name", "dr.roth")
        searching.fill("#password", helpers.PASSWORD)
        searching.get_by_role("button", name="Sign in").click()
        searching.wait_for_url("**/studies")
        searching.fill("#name", payload)
        searching.get_by_role("button", name="Search").click()
        searching.wait_for_load_state("networkidle")
        expect(searching.locator("#name")).to_have_value(payload)
        assert searching.evaluate("window.owned") is None


def test_the_counter_counts(open_page, address):
    """The control: what the policy forbids is seen to be forbidden."""
    page = open_page()
    page.goto(f"{address}/sign-in")
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\" onclick=\"1\">x</p>')"
    )
    page.wait_for_function("() => window.violations.length >= 1")
    page.evaluate("window.violations = []")
