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
from leadglass.scan.probe_tls import permissive, probe_tls
from leadglass.scan.probe_web import probe_web


async def _dicom(address: str, port: int, manner: Manner) -> Sequence[Observation]:
    return await probe_dimse(address, port, manner)


async def _dicom_tls(address: str, port: int, manner: Manner) -> Sequence[Observation]:
    seen = await probe_tls(address, port, manner)
    if _speaks_tls(seen):
        seen += await probe_dimse(address, port, manner, tls=permissive())
    return seen


async def _web(address: str, port: int, manner: Manner) -> Sequence[Observation]:
    return await probe_web(address, port, manner)


async def _web_tls(address: str, port: int, manner: Manner) -> Sequence[Observation]:
    seen = await probe_tls(address, port, manner)
    if _speaks_tls(seen):
        seen += await probe_web(address, port, manner, tls=permissive())
    return seen


async def _nothing(address: str, port: int, manner: Manner) -> Sequence[Observation]:
    """The survey has knocked and somebody listens: that is all there is to see."""
    return [Observation("tcp", address, port, now(), 0, Outcome.OPEN)]


def _speaks_tls(seen: Sequence[Observation]) -> bool:
    """A handshake came about, or was refused for want of a certificate: that shows only inside."""
    return any(each.outcome is Outcome.SECURED or each.said.get("asks_certificate") is True for each in seen)


ASKS: Final[Mapping[Language, Ask]] = MappingProxyType(
    {
        Language.DICOM: _dicom,
        Language.TLS: _dicom_tls,
        Language.WEB: _web,
        Language.WEB_TLS: _web_tls,
        Language.NOTHING: _nothing,
    }
)
