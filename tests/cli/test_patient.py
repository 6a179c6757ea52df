"""leadglass patient: what it tells before, does, and takes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
AS = ("--as", "pacs")
WHY = ("--reason", "told by the ward")


@pytest.fixture
def studies(home: Any, run: Run, dicom: Any, tmp_path: Path) -> list[str]:
    """Two studies of two IDs."""
    assert run("user", "add", "pacs", "--role", "pacs_administrator").code == 0
    uids = []
    for number, patient_id in enumerate(("A-1", "B-1"), 1):
        uid = f"1.2.{number}"
        data = dicom.data_set(
            study=uid, series=f"{uid}.1", instance=f"{uid}.1.1", name="ROTH^ANNA", patient_id=patient_id
        )
        born = dicom.element(0x00100030, "DA", "19520301")
        at = data.index(dicom.element(0x0020000D, "UI", uid))
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(dicom.part10(data[:at] + born + data[at:], instance=f"{uid}.1.1"))
        assert run("import", path).code == 0
        uids.append(uid)
    return uids


def test_from_a_doubt_to_a_merge_and_back(studies: list[str], run: Run) -> None:
    found = run("patient", "list-duplicates", *AS, "--json")
    assert found.code == 1
    assert [member["patient_id"] for member in found.json[0]["members"]] == ["B-1", "A-1"]
    assert "one person, several IDs" in run("patient", "list-duplicates", *AS).out
    merged = run("patient", "merge", "A-1", "B-1", *WHY, *AS, "--yes", "--json")
    assert merged.json == {"change": 1, "studies": 1, "images": 1}
    assert run("patient", "list-duplicates", *AS).code == 0
    (told,) = run("patient", "history", "B-1", *AS, "--json").json
    assert (told["kind"], told["of"], told["reason"]) == (
        "merge",
        {"patient_id": "A-1", "issuer": ""},
        "told by the ward",
    )
    undone = run("patient", "undo", "1", *WHY, *AS, stdin="y\n")
    assert undone.code == 0
    assert "stay where they are" in undone.err
    assert run("patient", "history", *AS).out.count("told by the ward") == 1
    assert run("patient", "undo", "1", *WHY, *AS, "--yes").code == 1
    again = run("patient", "merge", "A-1", "B-1", *WHY, *AS, "--yes")
    assert f"leadglass patient undo 2 --reason TEXT --as {AS[1]}" in again.err


def test_it_is_told_and_asked_before(studies: list[str], run: Run) -> None:
    asked = run("patient", "move-study", studies[0], "B-1", *WHY, *AS, stdin="n\n")
    assert asked.code == 1
    assert "1 study with 1 image will show this identity" in asked.err
    assert "A-1" in asked.out and "B-1" in asked.out
    assert run("patient", "history", *AS, "--json").json == []
    assert run("patient", "move-study", studies[0], "B-1", *WHY, *AS, "--json").code == 2


def test_one_study_or_all_of_a_patient(studies: list[str], run: Run) -> None:
    one = run(
        "patient", "correct", "--study", studies[0], "--name", "ROTH^ANNE", *WHY, *AS, "--yes", "--json"
    )
    assert one.json["studies"] == 1
    both = run("patient", "correct", "B-1", "--sex", "f", "--new-id", "B-2", *WHY, *AS, "--yes", "--json")
    assert both.code == 0
    assert run("patient", "history", "B-2", *AS, "--json").json[0]["sets"] == {
        "patient_id": "B-2",
        "sex": "F",
    }
    assert run("patient", "correct", "--name", "X", *WHY, *AS).code == 2
    assert run("patient", "correct", "B-2", "--study", "1.2.1", *WHY, *AS).code == 2
    refused = run("patient", "correct", "A-1", "--birth-date", "soon", *WHY, *AS, "--yes")
    assert (refused.code, refused.err.strip()) == (1, "A birth date is YYYY-MM-DD.")


def test_without_the_right_there_is_nothing(studies: list[str], run: Run) -> None:
    assert run("patient", "list-duplicates").code == 1
    assert run("patient", "history").err.strip() == "You do not have the right to do this."
    absent = run("patient", "merge", "X-1", "B-1", *WHY, *AS, "--yes")
    assert (absent.code, "no such patient" in absent.err) == (1, True)
