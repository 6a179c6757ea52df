"""The old PACS, running."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests have names of their own
pytest.register_assert_rewrite("demo_process")

import demo_process  # noqa: E402 (after the lines above)


@pytest.fixture(scope="module")
def running() -> Iterator[demo_process.OldPacs]:
    with demo_process.old_pacs() as made:
        yield made
