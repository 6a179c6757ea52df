"""Why somebody cannot be reached, or does not let us in, in a sentence."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final

from leadglass.errors import Refused, Unreachable
from leadglass.ul.pdu import AssociateRJ


def unreachable(address: str, port: int, error: OSError | TimeoutError) -> Unreachable:
    """What `error` says about calling `address`; TLS errors are OSErrors too."""
    where = f"{address} port {port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            f"The certificate of {where} is not one to trust: {error.verify_message}.", code="certificate"
        )
    if isinstance(error, ssl.SSLError):
        return Unreachable(f"No TLS with {where}: {error.reason or 'the handshake failed'}.", code="tls")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{where} does not answer.", code="deadline")
    return Unreachable(f"{where} cannot be reached: {_reason(error)}.", code="unreachable")


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "there is no such name"
    # asyncio's own text names the address again; several addresses that failed have no number.
    return os.strerror(error.errno) if error.errno else "none of its addresses answers"


def refusal(answer: AssociateRJ) -> Refused:
    """A rejection as an error that says who rejected what and why (PS3.8 Table 9-21)."""
    code = _REFUSALS.get((answer.source, answer.reason), "rejected")
    return Refused(f"The other side rejected the association: {answer.sentence}", code=code)


_REFUSALS: Final = {
    (AssociateRJ.CALLING_NOT_RECOGNIZED.source, 3): "calling-not-recognized",
    (AssociateRJ.CALLED_NOT_RECOGNIZED.source, 7): "called-not-recognized",
    (AssociateRJ.CONGESTED.source, 1): "congested",
    (AssociateRJ.LIMIT_EXCEEDED.source, 2): "congested",
}
