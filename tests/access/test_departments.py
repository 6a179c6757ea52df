from __future__ import annotations

from typing import Any

import pytest

from leadglass.access.departments import (
    Department,
    create_department,
    ensure_default_department,
    find_department,
    list_departments,
)
from leadglass.errors import Conflict, Violation


def test_the_default_department_is_made_once(desk: Any) -> None:
    first = desk.write(ensure_default_department, 1)
    assert desk.write(ensure_default_department, 2) == first
    assert desk.read(list_departments) == [Department(first, "default")]


def test_create_list_find(desk: Any) -> None:
    radiology = desk.write(create_department, " Röntgen ", 1)
    desk.write(create_department, "Cardiology", 2)
    assert [department.name for department in desk.read(list_departments)] == ["Röntgen", "Cardiology"]
    for spelling in ("Röntgen", "RÖNTGEN", " ro\N{COMBINING DIAERESIS}ntgen "):
        assert desk.read(find_department, spelling) == Department(radiology, "Röntgen")
    assert desk.read(find_department, "elsewhere") is None


def test_a_name_is_taken_in_any_letter_case(desk: Any) -> None:
    desk.write(create_department, "Cardiology", 1)
    with pytest.raises(Conflict):
        desk.write(create_department, "CARDIOLOGY", 2)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 65,
        pytest.param("x" * 10**6, id="huge"),
        "a\nb",
        "a\x00b",
        "a\u202eb",
        "a\u200bb",
        "a\u2028b",
        "a\ud800",
    ],
)
def test_names_that_mislead_are_refused(desk: Any, name: str) -> None:
    with pytest.raises(Violation) as refusal:
        desk.write(create_department, name, 1)
    assert refusal.value.code == "department-name"
