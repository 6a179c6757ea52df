"""Each step of a decision on what was kept aside fails once, before or after it was done.

The steps are those of a clean run: one that is added to a decision without a line here fails the first test.
Whatever fails, the decision happened whole or not at all, and no byte of either object is lost.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Final

import fault_decisions
import pytest
from fault_decisions import CASES, Case, holds, recorded
from fault_home import Site, check
from fault_system import Fault, FaultySystem, break_database

from leadglass.compose import Opened
from leadglass.errors import Conflict, LeadglassError, NotFound, Unavailable
from leadglass.store.blobs import Blobs

NUMBERS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC}
UNKNOWN: Final = ("COMMIT", "sync log")  # when one of these fails nobody knows whether it happened
OBJECT: Final = ("open object", "write object", "fsync object", "close object")
DIRECTORY: Final = ("open directory", "fsync directory", "close directory")
STORE: Final = ("mkdir directory", "open store", "fsync store", "close store")
ALWAYS: Final = (
    *("BEGIN", "read", "delete kept_aside"),
    *("insert log_entries", "insert log_subjects", "update log_head", *UNKNOWN),
)
SHOWN: Final = (
    *("insert versions", "update instances", "update studies"),
    *("delete study_modalities", "insert study_modalities"),
)
STEPS: Final[dict[str, tuple[str, ...]]] = {
    "accept": (*ALWAYS, *SHOWN),
    "store": (
        *(*STORE, *OBJECT, *DIRECTORY, *ALWAYS),
        *("insert instances", "insert versions", "update studies", "update series"),
    ),
    "reject": (*ALWAYS, "insert shreds", "unlink object", *DIRECTORY),
    "hand-over": (*ALWAYS, "insert kept_aside"),
    "take-in": (*ALWAYS, "update numbers", "insert instances", "update studies", "update series"),
    "put-back": (*ALWAYS[:2], "insert numbers", "delete versions", *ALWAYS[3:], *SHOWN),
}


def cases() -> Iterator[Any]:
    """Every step of every decision fails in four ways; all of them with LEADGLASS_PROOF. Else those that a
    transaction undoes are tried once, in the first decision that has them."""
    tried: set[str] = set()
    for name, steps in STEPS.items():
        for at, step in enumerate(steps):
            ways = list(product(NUMBERS, (False, True)))
            if step not in UNKNOWN and not os.environ.get("LEADGLASS_PROOF"):
                ways = [] if step in tried else ways[at % 4 :][:1]
            tried.add(step)
            for number, persisted in ways:
                done = "done" if persisted else "not done"
                yield pytest.param(name, step, number, persisted, id=f"{name}-{step}-{number}-{done}")


@pytest.fixture(scope="module")
def filled(founded: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return fault_decisions.filled(founded.copy_to(tmp_path_factory.mktemp("filled") / "site"))


@contextmanager
def breakable(site: Site, fault: Fault) -> Iterator[Opened]:
    """The next steps of a decision in this home go through `fault`."""
    with site.open() as opened:
        decisions = opened.services.aside._decisions
        decisions._blobs = Blobs(opened.home.objects, system=FaultySystem(opened.home.objects, fault))
        break_database(opened, fault)
        yield opened


def attempt(site: Site, case: Case, fault: Fault) -> LeadglassError | None:
    """What whoever decided is told: a sentence or success, and never anything else."""
    with breakable(site, fault) as opened:
        fault.armed = True
        try:
            case.carry_out(opened)
        except LeadglassError as error:
            return error
        finally:
            fault.armed = False
    return None


@pytest.mark.parametrize("name", STEPS)
def test_the_table_names_every_step_of_a_clean_run(name: str, filled: Site, memory: Path) -> None:
    fault = Fault("nothing fails", errno.EIO, persisted=False)
    assert attempt(filled.copy_to(memory / "site"), CASES[name], fault) is None
    assert set(fault.seen) == set(STEPS[name])
    # The order that durability rests on: what is written before the commit, what is destroyed after it.
    order = [
        step for step in ("fsync object", "fsync directory", "COMMIT", "unlink object") if step in fault.seen
    ]
    if name == "reject":
        order.remove("fsync directory")
    assert [step for step in fault.seen if step in order] == order


@pytest.mark.parametrize(("name", "step", "number", "persisted"), list(cases()))
def test_a_failing_step_leaves_it_undone_or_done(
    name: str, step: str, number: str, persisted: bool, filled: Site, memory: Path
) -> None:
    case, site = CASES[name], filled.copy_to(memory / "site")
    fault = Fault(step, NUMBERS[number], persisted)
    error = attempt(site, case, fault)
    assert fault.fired == 1
    assert isinstance(error, Unavailable | Conflict | None)
    with site.open() as opened:
        happened = case.states.index(holds(opened))
        assert recorded(opened, case.action) == happened
        assert happened == (error is None) or (happened and step in UNKNOWN)
        report = check(opened, collect=True)
        assert report.ok, report
        if happened:
            with pytest.raises(NotFound):
                case.carry_out(opened)
        else:
            case.carry_out(opened)
        assert holds(opened) == case.states[-1]
        assert recorded(opened, case.action) == 1
