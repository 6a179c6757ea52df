"""One image on the screen, with the real sandbox behind it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from leadglass.archive.ledger import IDLE
from leadglass.errors import LimitExceeded, NotFound, Tampered, Violation


@pytest.fixture
def filled(clinic: Any) -> Any:
    clinic.take_in(1, rows=64)
    return clinic


def test_a_frame_is_a_jpeg_within_the_edge_and_counted(filled: Any) -> None:
    rendered = filled.services.renderer.frame(filled.doctor, 1, filled.context(), edge=32)
    with Image.open(io.BytesIO(rendered.jpeg)) as image:
        assert (image.format, image.size) == ("JPEG", (32, 32))
    filled.services.renderer.frame(filled.doctor, 1, filled.context(), window=(5.0, 10.0))
    filled.services.ledger.expire(filled.now + IDLE)
    filled.services.db.write(lambda _: None).result(30)
    [entry] = filled.entries("study.view")
    assert (entry.at_least, entry.counts) == (False, {"frames": 2})


def test_each_person_has_a_worker_of_the_own(filled: Any) -> None:
    colleague = filled.person(11, filled.doctor.role, filled.own)
    for who in (filled.doctor, colleague):
        filled.services.renderer.frame(who, 1, filled.context(), edge=16)
    processes = filled.services.sandbox.processes()
    assert set(processes) == {filled.doctor.credential, colleague.credential}
    assert len(set(processes.values())) == 2


@pytest.mark.parametrize(
    "asked", [{"frame": 0}, {"frame": 2}, {"frame": -1}, {"edge": 15}, {"edge": 4097}], ids=str
)
def test_what_there_is_not_is_not_opened(filled: Any, asked: dict[str, int]) -> None:
    with pytest.raises(Violation):
        filled.services.renderer.frame(filled.doctor, 1, filled.context(), **asked)
    assert filled.services.ledger._open == {}


def test_a_foreign_image_reaches_no_worker(filled: Any) -> None:
    with pytest.raises(NotFound):
        filled.services.renderer.frame(filled.stranger, 1, filled.context())
    assert filled.services.sandbox.processes() == {}


def test_an_altered_image_is_not_shown_and_the_access_can_end(filled: Any, descriptors: None) -> None:
    [path] = filled.blobs()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Tampered):
        filled.services.renderer.frame(filled.doctor, 1, filled.context())
    filled.services.ledger.close(filled.now)
    assert [e.at_least for e in filled.entries("study.view")] == [False]


@pytest.mark.parametrize("window", [(0.0, 0.0), (float("nan"), 10.0), (0.0, float("inf"))])
def test_a_window_that_is_none_is_refused(filled: Any, window: tuple[float, float]) -> None:
    with pytest.raises((Violation, LimitExceeded)):
        filled.services.renderer.frame(filled.doctor, 1, filled.context(), window=window)
