from __future__ import annotations

from pathlib import Path

from leadglass.access.policy import Action, Reason
from leadglass.access.reference import rights_markdown

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rights.md"


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == rights_markdown()


def test_every_action_and_reason_has_a_line() -> None:
    page = rights_markdown()
    for slug in (*Action, *Reason):
        assert f"`{slug}`" in page
