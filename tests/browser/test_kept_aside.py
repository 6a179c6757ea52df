"""What was kept aside, decided in a browser: read side by side, accepted, the earlier version put back."""

import pytest

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def contradicted(filled, helpers, request):
    """A study of the test's own, and another object under its only UID."""
    uid = f"1.2.826.0.1.3680043.10.6.{request.node.callspec.indices['settings']}.{len(request.node.name)}"
    same = {"StudyInstanceUID": uid, "SeriesInstanceUID": f"{uid}.1", "SOPInstanceUID": f"{uid}.1.1"}
    same |= {"PatientName": "ZEUGE^ZITA", "PatientID": "ASIDE-1", "StudyDate": "19990203"}
    for station in ("ROOM 1", "ROOM 2"):
        filled.take_in(helpers.made_up(**same, StationName=station))
    return f"{uid}.1.1"


def decide(page, button):
    page.get_by_label("Why").fill("Sent again from the right room")
    page.get_by_label("I have read what this does.").check()
    page.get_by_role("button", name=button, exact=True).click()


@pytest.mark.parametrize("settings", [{}, PHONE], ids=["desktop", "phone"])
def test_accepted_and_put_back(contradicted, signed_in, settings):
    page = signed_in("pacsadmin", **settings)
    page.goto("/aside")
    page.locator("tr", has_text=contradicted).get_by_role("link").first.click()
    station = page.locator("tr", has_text="Station Name")
    assert station.get_by_text("ROOM 1").is_visible()
    assert station.get_by_text("ROOM 2").is_visible()
    page.get_by_role("button", name="Decide", exact=True).click()
    assert page.get_by_role("heading", name="What is to become of it?").is_visible()  # it wants a decision
    page.get_by_role("radio").first.check()
    decide(page, "Decide")
    page.get_by_role("status").wait_for()
    assert page.locator("tr", has_text=contradicted).count() == 0
    page.get_by_role("link", name="Earlier versions").click()
    page.locator("tr", has_text=contradicted).get_by_role("link", name="Put back…").click()
    decide(page, "Put it back")
    page.get_by_role("status").wait_for()
    assert page.locator("tr", has_text=contradicted).get_by_text("was replaced").is_visible()


@pytest.mark.parametrize("settings", [{}, PHONE], ids=["desktop", "phone"])
def test_handed_over(contradicted, signed_in, settings):
    page = signed_in("pacsadmin", **settings)
    page.goto("/aside")
    page.locator("tr", has_text=contradicted).get_by_role("link").first.click()
    department = page.get_by_label("To which department")
    assert not department.is_visible()  # until it is asked for
    page.get_by_role("radio", name="Hand over").check()
    decide(page, "Decide")
    page.get_by_text("Choose another department").wait_for()
    department.select_option("Cardiology")
    decide(page, "Decide")
    page.get_by_role("status").wait_for()
    assert page.locator("tr", has_text=contradicted).count() == 0
