"""Real peers against a real server, plain and TLS. What is not installed is skipped loudly; CI fails for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests have names of their own
sys.path[1:1] = [str(Path(__file__).parents[1] / package) for package in ("net", "dicom", "transfer", "scan")]
sys.path.insert(1, str(Path(__file__).parents[2] / "bench"))  # for the words of the estate's truth
pytest.register_assert_rewrite(
    "interop_archive",
    "interop_home",
    "interop_images",
    "interop_programs",
    "interop_transfers",
    "pacs",
    "raw_peer",
)

import interop_archive  # noqa: E402 (after the lines above, or it is not found and its assertions say nothing)
import interop_images  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.peer)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _cheap() -> Iterator[None]:
    """argon2 at its cheapest: it is not what is tried here."""
    from leadglass.access.passwords import Cost

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("leadglass.compose.HASH_COST", Cost(memory=8, passes=1, lanes=1))
        yield


@pytest.fixture(scope="module")
def archive(_cheap: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[interop_archive.Archive]:
    with interop_archive.archive(tmp_path_factory.mktemp("archive")) as made:
        yield made


@pytest.fixture
def images(tmp_path: Path, request: pytest.FixtureRequest) -> interop_images.Images:
    """Images that no other test has: a study of the test's own."""
    return interop_images.Images(tmp_path / "images", request.node.nodeid)
