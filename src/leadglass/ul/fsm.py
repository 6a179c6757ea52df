"""The state machine of the upper layer: PS3.8 Table 9-10, as data.

A cell names an action; the action names the next state (Tables 9-6 to 9-9). An empty cell is an event that
cannot happen in that state: the bug is ours. The names are the Standard's, `State("Sta6")`, with a word for
people.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    """PS3.8 Tables 9-1 to 9-5."""

    IDLE = "Sta1"
    AWAITING_REQUEST = "Sta2"  # the transport connection is open
    AWAITING_LOCAL_RESPONSE = "Sta3"  # we are to accept or reject
    CONNECTING = "Sta4"
    AWAITING_ANSWER = "Sta5"  # A-ASSOCIATE-AC or -RJ
    ESTABLISHED = "Sta6"
    AWAITING_RELEASE = "Sta7"  # the A-RELEASE-RP
    RELEASE_REQUESTED = "Sta8"  # we are to respond
    COLLISION_REQUESTOR_TO_RESPOND = "Sta9"
    COLLISION_ACCEPTOR_AWAITING = "Sta10"
    COLLISION_REQUESTOR_AWAITING = "Sta11"
    COLLISION_ACCEPTOR_TO_RESPOND = "Sta12"
    AWAITING_CLOSE = "Sta13"  # the association no longer exists


class Event(StrEnum):
    """The rows of Table 9-10: what the local user asks, what arrives, what the transport and ARTIM say."""

    ASSOCIATE_REQUEST = "Evt1"
    CONNECTED = "Evt2"
    AC_RECEIVED = "Evt3"
    RJ_RECEIVED = "Evt4"
    CONNECTION_INDICATED = "Evt5"
    RQ_RECEIVED = "Evt6"
    ACCEPT = "Evt7"
    REJECT = "Evt8"
    DATA_REQUEST = "Evt9"
    DATA_RECEIVED = "Evt10"
    RELEASE_REQUEST = "Evt11"
    RELEASE_RQ_RECEIVED = "Evt12"
    RELEASE_RP_RECEIVED = "Evt13"
    RELEASE_RESPONSE = "Evt14"
    ABORT_REQUEST = "Evt15"
    ABORT_RECEIVED = "Evt16"
    CLOSED = "Evt17"
    ARTIM_EXPIRED = "Evt18"
    INVALID_PDU = "Evt19"


class Action(StrEnum):
    """PS3.8 Tables 9-6 to 9-9."""

    AE_1 = "AE-1"  # issue transport connect request
    AE_2 = "AE-2"  # send A-ASSOCIATE-RQ
    AE_3 = "AE-3"  # issue A-ASSOCIATE confirmation (accept)
    AE_4 = "AE-4"  # issue A-ASSOCIATE confirmation (reject), close
    AE_5 = "AE-5"  # issue transport connection response, start ARTIM
    AE_6 = "AE-6"  # stop ARTIM; issue A-ASSOCIATE indication, or send A-ASSOCIATE-RJ and start ARTIM
    AE_7 = "AE-7"  # send A-ASSOCIATE-AC
    AE_8 = "AE-8"  # send A-ASSOCIATE-RJ, start ARTIM
    DT_1 = "DT-1"  # send P-DATA-TF
    DT_2 = "DT-2"  # issue P-DATA indication
    AR_1 = "AR-1"  # send A-RELEASE-RQ
    AR_2 = "AR-2"  # issue A-RELEASE indication
    AR_3 = "AR-3"  # issue A-RELEASE confirmation, close
    AR_4 = "AR-4"  # send A-RELEASE-RP, start ARTIM
    AR_5 = "AR-5"  # stop ARTIM
    AR_6 = "AR-6"  # issue P-DATA indication
    AR_7 = "AR-7"  # send P-DATA-TF
    AR_8 = "AR-8"  # issue A-RELEASE indication: collision
    AR_9 = "AR-9"  # send A-RELEASE-RP
    AR_10 = "AR-10"  # issue A-RELEASE confirmation
    AA_1 = "AA-1"  # send A-ABORT (service-user), start ARTIM
    AA_2 = "AA-2"  # stop ARTIM, close
    AA_3 = "AA-3"  # issue A-ABORT or A-P-ABORT indication, close
    AA_4 = "AA-4"  # issue A-P-ABORT indication
    AA_5 = "AA-5"  # stop ARTIM
    AA_6 = "AA-6"  # ignore the PDU
    AA_7 = "AA-7"  # send A-ABORT
    AA_8 = "AA-8"  # send A-ABORT (service-provider), issue A-P-ABORT indication, start ARTIM


_NEXT: Final = """
AE-1 Sta4    AE-2 Sta5    AE-3 Sta6    AE-4 Sta1    AE-5 Sta2    AE-6 Sta3    AE-7 Sta6    AE-8 Sta13
DT-1 Sta6    DT-2 Sta6
AR-1 Sta7    AR-2 Sta8    AR-3 Sta1    AR-4 Sta13   AR-5 Sta1
AR-6 Sta7    AR-7 Sta8    AR-8 Sta9    AR-9 Sta11   AR-10 Sta12
AA-1 Sta13   AA-2 Sta1    AA-3 Sta1    AA-4 Sta1    AA-5 Sta1    AA-6 Sta13   AA-7 Sta13   AA-8 Sta13
"""

# The two actions with a choice: a request the provider itself turns down, and a collision at the acceptor.
OTHERWISE: Final[Mapping[Action, State]] = MappingProxyType(
    {Action.AE_6: State.AWAITING_CLOSE, Action.AR_8: State.COLLISION_ACCEPTOR_AWAITING}
)

_TABLE_9_10: Final = """
      Sta1  Sta2  Sta3  Sta4  Sta5  Sta6  Sta7  Sta8  Sta9  Sta10 Sta11 Sta12 Sta13
Evt1  AE-1  -     -     -     -     -     -     -     -     -     -     -     -
Evt2  -     -     -     AE-2  -     -     -     -     -     -     -     -     -
Evt3  -     AA-1  AA-8  -     AE-3  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt4  -     AA-1  AA-8  -     AE-4  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt5  AE-5  -     -     -     -     -     -     -     -     -     -     -     -
Evt6  -     AE-6  AA-8  -     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
Evt7  -     -     AE-7  -     -     -     -     -     -     -     -     -     -
Evt8  -     -     AE-8  -     -     -     -     -     -     -     -     -     -
Evt9  -     -     -     -     -     DT-1  -     AR-7  -     -     -     -     -
Evt10 -     AA-1  AA-8  -     AA-8  DT-2  AR-6  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt11 -     -     -     -     -     AR-1  -     -     -     -     -     -     -
Evt12 -     AA-1  AA-8  -     AA-8  AR-2  AR-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt13 -     AA-1  AA-8  -     AA-8  AA-8  AR-3  AA-8  AA-8  AR-10 AR-3  AA-8  AA-6
Evt14 -     -     -     -     -     -     -     AR-4  AR-9  -     -     AR-4  -
Evt15 -     -     AA-1  AA-2  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  -
Evt16 -     AA-2  AA-3  -     AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-2
Evt17 -     AA-5  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AR-5
Evt18 -     AA-2  -     -     -     -     -     -     -     -     -     -     AA-2
Evt19 -     AA-1  AA-8  -     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
"""


def _transitions() -> dict[tuple[State, Event], tuple[Action, State]]:
    words = _NEXT.split()
    following = {Action(a): State(s) for a, s in zip(words[::2], words[1::2], strict=True)}
    head, *rows = _TABLE_9_10.strip().splitlines()
    table = {}
    for row in rows:
        event, *cells = row.split()
        for state, cell in zip(head.split(), cells, strict=True):
            if cell != "-":
                table[State(state), Event(event)] = Action(cell), following[Action(cell)]
    return table


TRANSITIONS: Final[Mapping[tuple[State, Event], tuple[Action, State]]] = MappingProxyType(_transitions())
