"""Whose configuration it is, by what stands in it; the reader of that product reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from leadglass.errors import LimitExceeded
from leadglass.scan.inside import conquest, dcm4chee, dcmqrscp, orthanc
from leadglass.scan.inside.prediction import BYTE_ORDER_MARK, MOST_BYTES, Prediction, nothing

# In this order: the first file that shows one decides.
_MARKS: Final[tuple[tuple[re.Pattern[bytes], Callable[[Mapping[str, bytes]], Prediction]], ...]] = (
    (re.compile(rb"^[ \t]*AETable[ \t]+BEGIN", re.MULTILINE), dcmqrscp.read),
    (re.compile(rb"^[ \t]*\[sscscp\]", re.MULTILINE | re.IGNORECASE), conquest.read),
    (re.compile(rb"^dn:", re.MULTILINE | re.IGNORECASE), dcm4chee.read),
    (re.compile(rb'"dicomDeviceName"|"dicomNetworkAE"'), dcm4chee.read),
    (re.compile(rb"\A\s*(?:\{|//|/\*)"), orthanc.read),
)


def predict(files: Mapping[str, bytes]) -> Prediction:
    """`files`: name to content, of one server. Violation (code configuration) for what is none of these: an
    Orthanc JSON configuration, a dcm4chee-arc device in LDIF or JSON, Conquest's dicom.ini with dgatesop.lst
    and acrnema.map, dcmqrscp.cfg."""
    if sum(map(len, files.values())) > MOST_BYTES:
        raise LimitExceeded("That is larger than any configuration.", code="configuration")
    for mark, reader in _MARKS:
        if any(mark.search(content.removeprefix(BYTE_ORDER_MARK)) for content in files.values()):
            return reader(files)
    raise nothing("That is no configuration of Orthanc, dcm4chee-arc, Conquest or dcmqrscp.")
