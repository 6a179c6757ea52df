"""leadglass aside: what was kept aside, looked at and decided on at the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from leadglass.cli.main import app


@pytest.fixture
def run(opened: Any, dicom: Any) -> Any:
    """A home with one image, two others under its UID and one of another patient's study; and a way to run
    commands on it as the PACS administrator."""
    from leadglass.access.principal import Context, Role, Via, operator

    services, who = opened.services, operator(1000, "op")
    context = Context("", Via.COMMAND, 1_800_000_000_000)
    services.accounts.add_user(
        who, "pacsadmin", Role.PACS_ADMINISTRATOR, context, password="lusab-babad-gutih"
    )
    [department] = services.accounts.departments()
    for file in (
        dicom.file(1),
        dicom.file(1, fill=8),
        dicom.file(1, fill=9, name="Roentgen^\x1b[2JAnne"),
        dicom.file(2, patient_id="P-2"),
    ):
        incoming = services.ingest.open(who, department.id, "import", context)
        incoming.write(file)
        incoming.finish().result(30)

    def run(*arguments: str, status: int = 0, as_user: str = "pacsadmin") -> Any:
        given = [*arguments, "--as", as_user] if as_user else list(arguments)
        result = CliRunner().invoke(app, ["aside", *given])
        assert result.exit_code == status, result.output
        return json.loads(result.stdout) if "--json" in given and result.stdout else result.output

    return run


def test_listed_looked_at_and_decided_on(run: Any) -> None:
    listed = run("list", "--json")
    assert [one["reason"] for one in listed["objects"]] == [
        "study-of-another-patient", "other-content", "other-content",
    ]  # fmt: skip
    assert listed["sources"][0]["objects"] == 3
    assert len(run("list", "--reason", "other-content", "--json")["objects"]) == 2
    shown = run("show", "2", "--json")
    assert [line["name"] for line in shown["differences"]] == ["Patient's Name"]
    text = run("show", "2")
    assert "\x1b" not in text
    assert "Not possible" not in text
    done = run("accept", "2", "--why", "Better", "--seen", shown["token"], "--json")
    assert done["decided"][0]["sop_instance_uid"] == "1.2.3.1.1"
    refused = run("reject", "1", "--why", "No", "--seen", shown["token"], "--json", status=1)
    assert "changed" in refused["refused"][0]["sentence"]
    [version] = run("versions", "--json")["versions"]
    assert (version["kind"], version["sop_instance_uid"]) == ("replaced", "1.2.3.1.1")
    assert "as it was before" in run("put-back", str(version["id"]), "--why", "It was right")
    done = run("accept", "--all", "--why", "All", "--json", status=1)
    assert ([one["id"] for one in done["refused"]], len(done["decided"])) == ([3], 1)
    assert run("store", "3", "--why", "Another patient").startswith("store\t2.25.")
    assert "Nothing is kept aside" in run("list")
    assert "replaced" in run("versions")


def test_it_is_a_clinical_act_and_needs_a_reason(run: Any) -> None:
    run("list", status=1, as_user="")
    run("reject", "1", "--why", "x", status=1, as_user="")
    run("reject", "1", status=2)
    assert "Say why" in run("reject", "1", "--why", " ", status=1)
    run("reject", "--why", "x", status=2)
    run("reject", "1", "--all", "--why", "x", status=2)
    run("reject", "--reason", "unreadable", "--why", "x", status=2)
    run("reject", "1", "2", "--seen", "x", "--why", "x", status=2)
    assert "no such object" in run("show", "99", status=1)
    assert len(run("list", "--json")["objects"]) == 3


def test_handed_over_to_a_department_by_its_name(run: Any, opened: Any) -> None:
    from leadglass.access.principal import Context, Role, Via, operator

    assert "no department of that name" in run("hand-over", "1", "--to", "Cardiology", "--why", "x", status=1)
    run("hand-over", "1", "--why", "x", status=2)
    context = Context("", Via.COMMAND, 1_800_000_000_000)
    opened.services.accounts.add_user(
        operator(1000, "op"),
        "pacs.cardio",
        Role.PACS_ADMINISTRATOR,
        context,
        department="Cardiology",
        password="lusab-babad-gutih",
    )
    assert "another department" in run("hand-over", "1", "--to", "default", "--why", "x", status=1)
    assert run("hand-over", "1", "--to", " cardiology", "--why", "Theirs").startswith("hand-over\t1.2.3.1.1")
    [given] = run("list", "--json", as_user="pacs.cardio")["objects"]
    assert (given["reason"], given["source"]) == (
        "study-of-another-department", "handed over by default: import",
    )  # fmt: skip
    done = run("hand-over", "--all", "--to", "default", "--why", "No", "--json", as_user="pacs.cardio")
    assert len(done["decided"]) == 1
    assert len(run("list", "--json")["objects"]) == 3
