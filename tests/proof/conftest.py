"""Many cycles of what cannot be enumerated: `--proof [CYCLES]` or LEADGLASS_PROOF=CYCLES; else a few."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "faults")]
pytest.register_assert_rewrite(
    "fault_home", "fault_trace", "fault_disk", "proof_power", "proof_server", "proof_backup"
)

import fault_disk  # noqa: E402 (after the lines above, or it is not found and its assertions say nothing)
import fault_home  # noqa: E402
import fault_trace  # noqa: E402
import proof_server  # noqa: E402

FEW, MANY = 3, 1000


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--proof",
        nargs="?",
        type=int,
        const=MANY,
        default=None,
        help=f"Cycles of each proof, {MANY} unless said.",
    )


@pytest.fixture(scope="session")
def cycles(pytestconfig: pytest.Config) -> int:
    asked = pytestconfig.getoption("--proof", None) or os.environ.get("LEADGLASS_PROOF") or FEW
    return int(asked)


@pytest.fixture
def chance() -> random.Random:
    """Its seed is printed when a test fails; LEADGLASS_PROOF_SEED repeats it."""
    seed = int(os.environ.get("LEADGLASS_PROOF_SEED") or random.SystemRandom().getrandbits(32))
    print(f"LEADGLASS_PROOF_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session", autouse=True)
def _small_reserve() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEADGLASS_STORAGE_RESERVE_MIB", "1")
        yield


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> fault_home.Site:
    return fault_home.found(tmp_path_factory.mktemp("founded"))


@pytest.fixture(scope="session")
def known(founded: fault_home.Site, tmp_path_factory: pytest.TempPathFactory) -> fault_home.Site:
    """A home that knows the scanner."""
    return proof_server.introduced(founded, tmp_path_factory.mktemp("known") / "site")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fault_disk.Disk]:
    with fault_disk.loop_disk(tmp_path_factory.mktemp("power"), mib=64) as made:
        yield made


@pytest.fixture(scope="session")
def objects() -> dict[str, bytes]:
    """Enough for several groups and threads."""
    return fault_home.files(24, per_study=6, size=40_000)


@pytest.fixture(scope="session")
def folder(objects: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("objects")
    for uid, file in objects.items():
        (made / uid).write_bytes(file)
    return made


@pytest.fixture(scope="session")
def importer(_small_reserve: None) -> Iterator[fault_trace.Importer]:
    with fault_trace.importer() as running:
        yield running
