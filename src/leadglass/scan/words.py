"""The words by which a probe tells a rule what it saw. Observations hold them as they stand here.

A probe may use others; no rule knows them then, and nothing is concluded from what it says.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class About(StrEnum):
    """What an HTTP request is for (`sent["about"]` of the probe `http`)."""

    CONTROL = "control"  # a path nobody can have, below each root that is tried
    QIDO = "qido"  # /studies?limit=1&StudyInstanceUID=<one that does not exist>
    QIDO_COUNT = "qido-count"  # a resource that answers with a number and with nothing else
    ORTHANC_SYSTEM = "orthanc-system"  # /system
    ORTHANC_STATISTICS = "orthanc-statistics"  # /statistics
    CREDENTIALS = "credentials"  # one try of the product's published default
    STOW = "stow"  # OPTIONS of /studies
    DCM4CHEE_UI = "dcm4chee-ui"
    OHIF_CONFIG = "ohif-config"  # /app-config.js
    VIEWER = "viewer"  # a viewer's own page, never its list of studies
    LISTING = "listing"  # an index page
    CORS = "cors"  # with an Origin nobody has


class Marker(StrEnum):
    """A product's page or answer that was recognised (`said["marker"]` of the probe `http`)."""

    ORTHANC = "orthanc"
    DCM4CHEE = "dcm4chee"
    OHIF = "ohif"
    MEDDREAM = "meddream"
    OVIYAM = "oviyam"
    WEASIS = "weasis"
    CONQUEST = "conquest"
    DICOOGLE = "dicoogle"
    CLEARCANVAS = "clearcanvas"


class Cause(StrEnum):
    """Why we ended an operation (`said["cause"]`)."""

    PENDING = "pending"  # a match came for a key that matches nothing


class Fault(StrEnum):
    """How the other side stalls or floods (`said["fault"]`), as far as a rule tells one way from another."""

    SLOW = "slow"  # bytes come over DICOM, too slowly to be an answer
    DRIP = "drip"  # so they do over HTTP
    ENDLESS = "endless"  # an answer that does not end
    TLS_STALL = "tls-stall"  # a handshake that stops half-way
    ENCODING = "encoding"  # of an HTTP body, although none was asked for: it is not undone


# The counts of ORTHANC_STATISTICS, in the order of `said["counts"]`.
STATISTICS: Final = ("patients", "studies", "series", "instances")
