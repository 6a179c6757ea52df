"""A home of one's own, and somebody else's archive."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests have names of their own

from leadglass.net.workers import Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


@pytest.fixture
def receiver(opened: Any, workers: Workers) -> Any:
    """Into the default department of the home, in the operator's name."""
    from leadglass.access.principal import Context, Via, operator
    from leadglass.transfer.receive import Receiver

    who = operator(1000, "op")

    def context() -> Context:
        return Context(address="", via=Via.COMMAND, now=1_800_000_000_000)

    department = opened.services.accounts.department(who, None, context())
    return Receiver(opened.services.ingest, who, department, context, workers, 1 << 24, "C-GET from PACS")
