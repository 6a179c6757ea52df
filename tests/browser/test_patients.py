"""Whose images these are, played: a doubt, its merge, what it says before, and undoing it."""

import pytest

from leadglass.access.principal import Role

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def twice(filled, helpers):
    """One person under two IDs, long ago, so that no other test's list is another."""
    for number, patient_id in enumerate(("TWICE-1", "TWICE-2"), 1):
        uid = f"1.2.826.0.1.3680043.10.7.{number}"
        filled.take_in(
            helpers.made_up(
                StudyInstanceUID=uid,
                SeriesInstanceUID=f"{uid}.1",
                SOPInstanceUID=f"{uid}.1.1",
                PatientName="ZWILLING^ZOE",
                PatientID=patient_id,
                PatientBirthDate="19610207",
                StudyDate=f"1999010{number}",
                AccessionNumber=patient_id,
            )
        )
    return filled


@pytest.mark.parametrize("settings", [{}, PHONE], ids=["desktop", "phone"])
def test_a_merge_and_back(twice, signed_in, settings):
    page = signed_in("pacsadmin", **settings)
    page.goto("/patients")
    doubt = page.locator(".doubt", has_text="TWICE-1")
    assert doubt.get_by_role("link", name="Zwilling, Zoe").count() == 2
    row = doubt.get_by_role("row", name="TWICE-2")
    row.get_by_role("button", name="Merge into this one…").click()
    assert page.get_by_role("heading", name="Merge two patients").is_visible()
    page.get_by_role("button", name="Merge two patients").click()
    assert page.get_by_role("heading", name="Merge two patients").is_visible()  # the browser wants a reason
    page.get_by_label("Reason").fill("Same person, told by admission.")
    page.get_by_label("I have compared both.").check()
    page.get_by_role("button", name="Merge two patients").click()
    page.get_by_text("The two are merged.").wait_for()
    assert (
        page.locator("section", has=page.get_by_role("heading", name="Studies")).get_by_role("row").count()
        == 3
    )
    page.get_by_role("button", name="Undo…").first.click()
    assert page.get_by_text("will show again what they showed before").is_visible()
    page.get_by_label("Reason").fill("They are two after all.")
    page.get_by_label("Undo this change.").check()
    page.get_by_role("button", name="Undo it").click()
    page.get_by_text("The change is undone.").wait_for()
    page.goto("/patients")
    assert page.locator(".doubt", has_text="TWICE-1").count() == 1


def test_a_typing_error_is_a_sentence(twice, signed_in):
    page = signed_in("pacsadmin")
    page.goto(f"/studies/{twice.study_id('TWICE-1', Role.PACS_ADMINISTRATOR)}")
    page.get_by_role("link", name="Correct whose study this is…").click()
    page.get_by_text("Correct what they say").click()
    page.get_by_label("Born").fill("7 February")
    page.get_by_role("button", name="Correct…").click()
    assert page.get_by_role("alert").inner_text() == "A birth date is YYYY-MM-DD."
    assert page.get_by_label("Born").input_value() == "7 February"
