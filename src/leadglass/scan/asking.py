"""In which words a port is asked, by the language that it is tried in: the probes, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from leadglass.scan.clocks import now
from leadglass.scan.examine import Ask, Language
from leadglass.scan.manner import Manner
from leadglass.scan.observation import Observation, Outcome
from leadglass.scan.probe_dimse import probe_dimse
from leadglass.scan.probe_web import probe_web


async def _dicom(address: str, port: int, manner: Manner) -> Sequence[Observation]:
    return await probe_dimse(address, port, manner)


async def _web(address: str, port: int, manner: Manner) -> Sequence[Observation]:
    return await probe_web(address, port, manner)


async def _nothing(address: str, port: int, manner: Manner) -> Sequence[Observation]:
    """The survey has knocked and somebody listens: that is all there is to see."""
    return [Observation("tcp", address, port, now(), 0, Outcome.OPEN)]


ASKS: Final[Mapping[Language, Ask]] = MappingProxyType(
    {Language.DICOM: _dicom, Language.WEB: _web, Language.NOTHING: _nothing}
)
