"""Status, lost images and figures: what pages and metrics say of how the archive is doing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leadglass.access.principal import Role, Via, operator

OPERATOR = operator(1000, "op")


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Any]:
    """A home with a study of two images, one of which is lost."""
    worlds: Any = sys.modules["leadglass_tests_web_world"]
    with worlds.new_world(tmp_path) as made:
        made.people()
        for number in (1, 2):
            made.take_in(worlds.made_up(SOPInstanceUID=f"1.2.3.1.1.{number}", InstanceNumber=number))
        with made.services.db.read() as connection:
            name = connection.exec_driver_sql("SELECT blob FROM instances WHERE id = 1").scalar_one()
        (made.root / "objects" / name[:2] / name).unlink()
        made.services.upkeep.check(OPERATOR, made.context(Via.COMMAND), repair=True)
        yield made


def test_the_status_page_has_ages_and_forecasts(signed_in: Any) -> None:
    page = signed_in[Role.SYSTEM_ADMINISTRATOR].get("/status").text
    for label in ("Newest image", "Came in, last 7 days", "Disk full", "Read again", "Last deep check"):
        assert label in page
    assert "ROTH" not in page.upper()


def test_an_empty_home_has_a_status(fresh: Any) -> None:
    fresh.people()
    page = fresh.client(Role.SYSTEM_ADMINISTRATOR).get("/status")
    assert page.status_code == 200
    assert "not foreseeable" in page.text


def test_what_is_lost_is_said_to_everybody_it_concerns(broken: Any) -> None:
    study = broken.client(Role.RADIOLOGIST).get("/studies/1").text
    assert "1 image of this study is lost or damaged" in study
    admin = broken.client(Role.PACS_ADMINISTRATOR).get("/lost").text
    assert '<a href="/aside" aria-current="page">' in admin
    assert "Roth, Anna" in admin
    assert "its file is missing" in admin
    status = broken.client(Role.SYSTEM_ADMINISTRATOR).get("/status").text
    assert "1 object is lost and not shown. Have it sent again" in status
    assert "Roth" not in status


def test_nothing_is_lost_says_so(signed_in: Any) -> None:
    assert "Nothing is lost" in signed_in[Role.PACS_ADMINISTRATOR].get("/lost").text


def test_the_metrics_count_it(broken: Any) -> None:
    token = broken.tokens[Role.SYSTEM_ADMINISTRATOR]
    said = broken.client().get("/metrics", headers={"authorization": f"Bearer {token}"}).text
    assert "leadglass_objects_lost 1.0" in said
    assert "leadglass_objects_damaged 0.0" in said
    assert "leadglass_newest_object_timestamp_seconds" in said
    assert "leadglass_backup_finished_timestamp_seconds 0.0" in said
