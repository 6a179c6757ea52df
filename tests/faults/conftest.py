"""Homes to break. `fault_home` makes and inspects them; one founded home is copied for every test."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests have names of their own
pytest.register_assert_rewrite("fault_decisions", "fault_home", "fault_trace")

import fault_home  # noqa: E402 (after the lines above, or it is not found and its assertions say nothing)
from fault_trace import Importer, importer, require_strace  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _cheap() -> Iterator[None]:
    """A reserve of 1 MiB instead of 64, and argon2 at its cheapest: neither is what is tried here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEADGLASS_STORAGE_RESERVE_MIB", "1")
        patch.setattr("leadglass.compose.HASH_COST", fault_home.CHEAPEST)
        yield


@pytest.fixture(scope="module")
def child() -> Iterator[Importer]:
    require_strace()
    with importer() as running:
        yield running


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> fault_home.Site:
    """A home with nothing in it."""
    return fault_home.found(tmp_path_factory.mktemp("founded"))


@pytest.fixture
def site(founded: fault_home.Site, tmp_path: Path) -> fault_home.Site:
    """A home of this test's own."""
    return founded.copy_to(tmp_path / "site")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a thing: for faults that are injected above the disk."""
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="leadglass-", dir=shm if os.access(shm, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def fast_site(founded: fault_home.Site, memory: Path) -> fault_home.Site:
    """A home of this test's own, in memory."""
    return founded.copy_to(memory / "site")


@pytest.fixture
def new_site(founded: fault_home.Site, tmp_path: Path) -> Callable[[str], fault_home.Site]:
    """As many homes as a test wants, each under a name."""
    return lambda name: founded.copy_to(tmp_path / name)
