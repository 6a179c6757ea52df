"""The estate simulator of `bench`, asked by programs that are not ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests have names of their own
pytest.register_assert_rewrite("estate_stranger")

from estate.starting import Playing, own_range, playing  # noqa: E402 (after the lines above)


@pytest.fixture(scope="module")
def zoo() -> Iterator[Playing]:
    """One system of every kind, played by a process of its own."""
    with playing("zoo", range_=own_range()) as made:
        yield made
