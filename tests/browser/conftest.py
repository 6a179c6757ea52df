"""Chromium against a real server. Without Chromium: skipped loudly by hand, failed where CI=true."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
COUNT_VIOLATIONS = """
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.blockedURI));
"""


def _module(path: Path) -> ModuleType:
    """A helper by its path: tests have no importable names."""
    name = f"leadglass_tests_{path.parent.name}_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


# Surveys and those who are surveyed are made as for the scan's own tests.
sys.path[:0] = [str(HERE.parent / name) for name in ("scan", "net")]
worlds = _module(HERE.parent / "web" / "world.py")
gallery = _module(HERE / "gallery.py")


@pytest.fixture(scope="session")
def helpers() -> ModuleType:
    return worlds


@pytest.fixture(scope="session")
def portal() -> ModuleType:
    """What tests of pages share."""
    return _module(HERE / "test_portal.py")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Of one file only: Playwright leaves its event loop running in this thread until it is stopped, and other
    tests of the same worker run loops of their own."""
    from playwright.sync_api import sync_playwright

    chromium = (
        os.environ.get("LEADGLASS_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    if chromium is None:
        reason = "NO CHROMIUM: install it (apt-get install chromium) or set LEADGLASS_CHROMIUM to its path."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with worlds.new_world(tmp_path_factory.mktemp("browser")) as world:
        world.people()
        gallery.fill(world, worlds.made_up, slices=12, more=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values longer than the Standard allows, as in real life
            gallery.extremes(world, worlds.made_up)
        yield world


@pytest.fixture(scope="session")
def address(filled: Any) -> Iterator[str]:
    with gallery.served(filled) as served:
        yield served


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """A function that opens a page in a context of its own; at the end no page may have broken the CSP."""
    contexts, pages = [], []

    def opened(**settings: Any) -> Any:
        context = browser.new_context(**settings)
        context.add_init_script(COUNT_VIOLATIONS)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("dialog", lambda dialog: (page.problems.append("a dialog opened"), dialog.dismiss()))
        contexts.append(context)
        pages.append(page)
        return page

    yield opened
    problems = [(page.evaluate("window.violations"), page.problems) for page in pages if not page.is_closed()]
    for context in contexts:
        context.close()
    assert problems == [([], [])] * len(problems)


@pytest.fixture(scope="session")
def sessions(filled: Any) -> dict[str, str]:
    """One session per person for all tests that do not end it: checking a password takes its time."""
    context = filled.context()
    return {
        name: filled.services.accounts.sign_in(name, worlds.PASSWORD, context)
        for name in worlds.PEOPLE.values()
    }


@pytest.fixture
def signed_in(open_page: Any, address: str, sessions: dict[str, str]) -> Any:
    """A function that opens somebody's first page."""

    def entered(name: str, **settings: Any) -> Any:
        page = open_page(base_url=address, **settings)
        page.context.add_cookies([{"name": "leadglass", "value": sessions[name], "url": address}])
        page.goto("/")
        return page

    return entered
