from __future__ import annotations

from pathlib import Path

from leadglass.scan.checks import CHECKS
from leadglass.scan.doubts import DoubtKind, Reason
from leadglass.scan.grade import RULES
from leadglass.scan.reference import checks_markdown
from leadglass.scan.verdict import Verdict
from leadglass.scan.vulnerabilities import FLAWS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "scan-checks.md"


def test_the_page_is_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == checks_markdown()


def test_every_row_has_a_line() -> None:
    page = checks_markdown()
    for slug in (*Verdict, *DoubtKind, *Reason, *(rule.id for rule in RULES)):
        assert f"`{slug}`" in page
    for check in CHECKS.values():
        assert f"| {check.id} |" in page and f"(`{check.slug}`)" in page
    for flaw in FLAWS:
        assert f"| {flaw.cve} |" in page


def test_no_placeholder_is_left_open() -> None:
    assert "{" not in checks_markdown()


def test_no_cell_breaks_its_table() -> None:
    """Every line of a table has as many cells as its head."""
    block: list[str] = []
    for line in (*checks_markdown().splitlines(), ""):
        if line.startswith("|"):
            block.append(line)
        elif block:
            assert len({row.count("|") for row in block}) == 1, block[0]
            block = []
