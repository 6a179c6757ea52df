"""What the server says on stderr, and what it must never say or do there."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from leadglass import server_log


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    handlers, level = logging.root.handlers[:], logging.root.level
    server_log.set_up("json")
    yield lambda: capsys.readouterr().err
    structlog.reset_defaults()
    logging.root.handlers[:], logging.root.level = handlers, level


def test_a_library_that_quotes_a_value_is_not_quoted(said: Callable[[], str]) -> None:
    logging.getLogger("pydicom").warning("Invalid value for VR PN: 'Roentgen^Anna'")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    printed = said()
    assert "Roentgen" not in printed
    assert "pydicom" in printed
    assert "Invalid HTTP request received." in printed


def test_values_given_apart_stay_out(said: Callable[[], str]) -> None:
    logging.getLogger("uvicorn.error").error("Cannot serve %s", "Roentgen^Anna")
    printed = said()
    assert "Roentgen" not in printed
    assert "Cannot serve %s" in printed


def test_an_exception_is_its_kind_and_place(said: Callable[[], str]) -> None:
    try:
        raise ValueError("Roentgen^Anna")
    except ValueError:
        logging.getLogger("asyncio").exception("Task failed")
    printed = said()
    assert "Roentgen" not in printed
    assert "ValueError" in printed
    assert "test_server_log.py" in printed


@pytest.mark.usefixtures("said")
def test_a_closed_stderr_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    structlog.get_logger("leadglass").warning("to nobody")
    logging.getLogger("asyncio").error("to nobody either")
