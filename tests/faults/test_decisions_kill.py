"""kill -9 at the system calls of a decision on what was kept aside: it happened, whole and with its entry, or
it did not; no byte of either object is lost, and deciding again works.

As for imports: a clean run under strace shows the calls, then each is made to be the child's last.
"""

from __future__ import annotations

from pathlib import Path

import fault_decisions
import pytest
from fault_decisions import CASES, holds, recorded
from fault_home import Site, check
from fault_trace import Importer, chosen

from leadglass.errors import NotFound

pytestmark = pytest.mark.slow

# How many calls of each kind are tried; all of them with LEADGLASS_PROOF.
KINDS = {
    r"f(data)?sync home/db/index.db-wal": 2,
    r"pwrite64 home/db/index.db-wal": 1,
    r"(pwrite64|fsync|ftruncate) home/db/index.db": 1,
    r"(mkdir|fsync|unlink) home/objects(/\w\w(/\w{32})?)?": 2,
}


@pytest.fixture(scope="module")
def filled(founded: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return fault_decisions.filled(founded.copy_to(tmp_path_factory.mktemp("filled") / "site"))


def settled(site: Site, name: str) -> int:
    """How much of it had happened. Afterwards it has happened as a whole."""
    case = CASES[name]
    with site.open() as opened:
        happened = case.states.index(holds(opened))
        assert recorded(opened, case.action) == happened
        report = check(opened, collect=True)
        assert report.ok, report
        if happened == 1 and len(case.states) == 2:
            with pytest.raises(NotFound):  # nobody decides twice
                case.carry_out(opened)
        else:
            case.carry_out(opened)
    with site.open() as opened:
        last = check(opened)
        assert (last.ok, last.orphans) == (True, 0)
        assert holds(opened) == case.states[-1]
        assert recorded(opened, case.action) == len(case.states) - 1
        with opened.services.db.read() as connection:
            named = connection.exec_driver_sql(
                "SELECT count(*) FROM (SELECT blob FROM instances UNION SELECT blob FROM versions"
                " UNION SELECT blob FROM kept_aside)"
            ).scalar_one()
        assert len([path for path in opened.home.objects.rglob("*") if path.is_file()]) == named
    return happened


@pytest.mark.parametrize("name", CASES)
def test_a_decision_happens_or_does_not(name: str, child: Importer, filled: Site, memory: Path) -> None:
    clean = filled.copy_to(memory / "clean")
    run = child.run(clean, Path(name), how="decide")
    assert (run.status, run.said) == (0, {name: "done"})
    whole = len(CASES[name].states) - 1
    assert settled(clean, name) == whole
    seen = set()
    for number, point in enumerate(chosen(run.points(), KINDS)):
        site = filled.copy_to(memory / str(number))
        killed = child.run(site, Path(name), how="decide", point=point)
        assert killed.killed, point
        happened = settled(site, name)
        assert happened == whole or not killed.said, point
        seen.add(happened)
    assert {0, whole} <= seen  # control: some kills come before the commit, some after
