"""One filled home for the whole session, one empty one for each test that asks."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from leadglass.access.principal import Role, Via
from leadglass.archive.standing import Decision


def _module(name: str) -> ModuleType:
    """A helper beside this file. Tests are imported by path, so it has no importable name of its own."""
    full = f"leadglass_tests_web_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[full]


# Surveys and those who are surveyed are made as for the scan's own tests.
sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("scan", "net")]
worlds = _module("world")


def set_aside(made: Any) -> None:
    """One object that is kept aside, and one version of an image that is as it was all the same."""
    aside, admin = made.services.aside, made.principal(Role.PACS_ADMINISTRATOR)
    again = {"SeriesInstanceUID": "1.2.3.2", "SOPInstanceUID": "1.2.3.2.1", "SeriesNumber": 2}
    context = made.context(Via.WEB)
    made.take_in(worlds.made_up(**again, StationName="CT1"))
    aside.decide(admin, 1, Decision.ACCEPT, "A test", context)
    aside.put_back(admin, 1, "A test", context)
    made.take_in(worlds.made_up(**again, StationName="CT2"))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    with worlds.new_world(tmp_path_factory.mktemp("web")) as made:
        made.people()
        for number in (1, 2, 3):
            made.take_in(
                worlds.made_up(
                    worlds.pixels(shift=number), SOPInstanceUID=f"1.2.3.1.1.{number}", InstanceNumber=number
                )
            )
        made.take_in(worlds.made_up(SeriesInstanceUID="1.2.3.2", SOPInstanceUID="1.2.3.2.1", SeriesNumber=2))
        made.take_in(
            worlds.made_up(
                StudyInstanceUID="1.2.9",
                SeriesInstanceUID="1.2.9.1",
                SOPInstanceUID="1.2.9.1.1",
                PatientName="FOREIGN^FRIDA",
                PatientID="LG-9",
                AccessionNumber="F-1",
            ),
            worlds.FOREIGN,
        )
        set_aside(made)
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[object]:
    """Nobody and nothing in it."""
    with worlds.new_world(tmp_path) as made:
        yield made


@pytest.fixture(params=list(worlds.PEOPLE), ids=str)
def role(request: pytest.FixtureRequest) -> Role:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def app(world: object) -> object:
    return world.app()  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def signed_in(world: object, app: object) -> dict[Role, object]:
    """A browser per role. Tests that end a session or need an empty jar make their own."""
    return {role: world.client(role, app) for role in worlds.PEOPLE}  # type: ignore[attr-defined]


@pytest.fixture
def doctor(signed_in: dict[Role, object]) -> object:
    return signed_in[Role.RADIOLOGIST]


@pytest.fixture
def stranger(world: object, app: object) -> object:
    return world.client(None, app)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def helpers() -> ModuleType:
    return worlds


@pytest.fixture(scope="session")
def cardiologist(world: object, app: object) -> object:
    """Somebody of the other department, to whom what is foreign to the doctor belongs."""
    world.services.accounts.add_user(  # type: ignore[attr-defined]
        worlds.OPERATOR,
        "dr.berg",
        Role.RADIOLOGIST,
        world.context(),  # type: ignore[attr-defined]
        department=worlds.FOREIGN,
        password=worlds.PASSWORD,
    )
    client = world.client(None, app)  # type: ignore[attr-defined]
    assert worlds.sign_in(client, "dr.berg").status_code == 303
    return client
