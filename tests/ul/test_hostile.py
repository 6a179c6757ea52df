"""Peers that a machine makes up, against the association without a socket.

What has to happen is written down here a second time, from PS3.8 Table 9-10 as it reads for each kind of PDU, and
not taken from the table the code works by.
"""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from leadglass.errors import ProtocolViolation
from leadglass.ul.association import (
    Aborted,
    AssociateAccepted,
    AssociateRejected,
    AssociateRequested,
    Association,
    Closed,
    ReleaseConfirmed,
    ReleaseRequested,
    Role,
    UlLimits,
)
from leadglass.ul.items import ProposedContext, UserInformation
from leadglass.ul.negotiation import Service, negotiate
from leadglass.ul.pdu import PDV, Abort, AssociateRJ, AssociateRQ, PDataTF, ReleaseRP, ReleaseRQ
from leadglass.ul.wire import Fragment

ECHO, IMPLICIT, JPEG = "1.2.840.10008.1.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.50"
LIMITS = UlLimits(control_pdu=4096, p_data_pdu=1024)
USER = UserInformation(1024, "1.2.3")
RQ = AssociateRQ(
    "LEADGLASS", "SCU", (ProposedContext(1, ECHO, (IMPLICIT,)), ProposedContext(3, ECHO, (JPEG,))), USER
)
AC = negotiate(RQ, {ECHO: Service((IMPLICIT,))}, USER)  # 3 is turned down
RJ = AssociateRJ.CALLING_NOT_RECOGNIZED

SENT: dict[str, bytes] = {
    "RQ": RQ.encode(),
    "AC": AC.encode(),
    "RJ": RJ.encode(),
    "data": PDataTF((PDV(1, True, True, b"whole"),)).encode(),
    "begun": PDataTF((PDV(1, False, False, b"begun"),)).encode(),
    "several": PDataTF((PDV(1, False, False, b""), PDV(1, False, True, b"ended"))).encode(),
    "elsewhere": PDataTF((PDV(3, True, True, b"turned down"),)).encode(),
    "release": ReleaseRQ().encode(),
    "released": ReleaseRP().encode(),
    "abort": Abort().encode(),
    "unknown": b"\x09\0\0\0\0\4abcd",
    "too long": b"\4\0\xff\xff\xff\xf0",
    "too short": b"\1\0\0\0\0\4abcd",
    "crooked": b"\4\0\0\0\0\x08\0\0\0\x09\1\3ab",
}
DATA = {"data", "begun", "several"}
WORDS = {
    AssociateRequested: "asked",
    AssociateAccepted: "accepted",
    AssociateRejected: "rejected",
    ReleaseRequested: "release?",
    ReleaseConfirmed: "released",
    Aborted: "aborted",
    Closed: "closed",
}
VIOLATION = "violation"
CUTS = st.lists(st.integers(1, 400), max_size=6)  # where what is sent comes in pieces

# (role, state): what is right there, and what comes of it: the event, and the state after it. Whatever else
# comes is a violation, and Sta13; an A-ABORT ends it everywhere.
EXPECTED: dict[tuple[Role, str], dict[str, tuple[str, str]]] = {
    (Role.ACCEPTOR, "Sta2"): {"RQ": ("asked", "Sta3"), "abort": ("", "Sta1")},
    (Role.ACCEPTOR, "Sta3"): {},
    (Role.REQUESTOR, "Sta5"): {"AC": ("accepted", "Sta6"), "RJ": ("rejected", "Sta1")},
    (Role.ACCEPTOR, "Sta7"): {"release": ("", "Sta10"), "released": ("released", "Sta1")},
    (Role.REQUESTOR, "Sta7"): {"release": ("", "Sta11"), "released": ("released", "Sta1")},
    (Role.ACCEPTOR, "Sta10"): {"released": ("released", "Sta13")},
    (Role.REQUESTOR, "Sta11"): {"released": ("released", "Sta1")},
    **{(role, "Sta6"): {"release": ("release?", "Sta8")} for role in Role},
    **{(role, "Sta8"): {} for role in Role},
}
HEARS_DATA = {"Sta6", "Sta7"}


class Peer(RuleBasedStateMachine):
    """One after another. `state`, `hearing` (amid a message) and `deaf` are the model's."""

    association: Association
    role: Role
    state = ""
    deaf = False

    @initialize(role=st.sampled_from(Role), so_far=st.integers(0, 6))
    def first(self, role: Role, so_far: int) -> None:
        self.begin(role, so_far)

    @precondition(lambda self: self.is_over)
    @rule(role=st.sampled_from(Role), so_far=st.integers(0, 6))
    def next(self, role: Role, so_far: int) -> None:
        self.begin(role, so_far)

    @property
    def is_over(self) -> bool:
        return self.state == "Sta1" or self.deaf

    def begin(self, role: Role, so_far: int) -> None:
        self.meet(role)
        if so_far:
            self.hear("RQ" if role is Role.ACCEPTOR else "AC", [])
        if so_far > 1 and role is Role.ACCEPTOR:
            self.answer(yes=True)
        if so_far in {3, 6}:
            self.release()
        if so_far > 3:
            self.hear({4: "release", 5: "begun", 6: "release"}[so_far], [])

    def meet(self, role: Role) -> None:
        self.role = role
        self.association = Association(role, LIMITS)
        self.state = "Sta2" if role is Role.ACCEPTOR else "Sta5"
        self.hearing = False
        self.deaf = False  # it broke the rules: nothing that comes counts
        if role is Role.REQUESTOR:
            self.association.request(RQ)
            assert self.association.data_to_send() == SENT["RQ"]

    # --- what the peer does -------------------------------------------------------------------------------

    @precondition(lambda self: not self.is_over)
    @rule(kind=st.sampled_from(sorted(SENT)), cuts=CUTS)
    def say(self, kind: str, cuts: list[int]) -> None:
        self.hear(kind, cuts)

    @precondition(lambda self: self.state in HEARS_DATA)
    @rule(kind=st.sampled_from(sorted(DATA)), cuts=CUTS)
    def go_on(self, kind: str, cuts: list[int]) -> None:
        self.hear(kind, cuts)

    @precondition(lambda self: self.is_over)
    @rule(kind=st.sampled_from(sorted(SENT)), cuts=CUTS)
    def say_when_nobody_listens(self, kind: str, cuts: list[int]) -> None:
        self.hear(kind, cuts)

    def hear(self, kind: str, cuts: list[int]) -> None:
        expected, self.state = self._expected(kind)
        heard = list(self._heard(SENT[kind], cuts))
        assert heard == ([expected] if expected else []), (kind, heard)
        sent = self.association.data_to_send()
        if expected == VIOLATION:
            assert sent[0] == 7 and len(sent) == 10, sent
        elif self.deaf:
            assert sent in (b"", Abort().encode()) or sent[0] == 7
        self.deaf |= expected == VIOLATION or self.state == "Sta1"

    def _expected(self, kind: str) -> tuple[str, str]:
        """What is heard of it, and the state then."""
        if self.state == "Sta1" or self.deaf:
            return "", self.state
        if self.state == "Sta13":
            return self._after_the_end(kind)
        known = EXPECTED[self.role, self.state]
        if kind == "abort":
            return known.get(kind, ("aborted", "Sta1"))
        if kind in DATA and self.state in HEARS_DATA:
            self.hearing = kind == "begun"
            return kind, self.state
        if kind == "release" and self.hearing and kind in known:
            return VIOLATION, "Sta13"
        return known.get(kind, (VIOLATION, "Sta13"))

    def _after_the_end(self, kind: str) -> tuple[str, str]:
        """Sta13: what comes is ignored, with another A-ABORT for what begins anew or is no PDU (AA-6, AA-7)."""
        if kind == "abort":
            return "", "Sta1"
        if kind in {"RQ", "unknown", "too long", "too short", "crooked"}:
            self.deaf = True
        return "", "Sta13"

    def _heard(self, data: bytes, cuts: list[int]) -> Iterator[str]:
        """In words; the pieces of one message are one word."""
        at, fragments = 0, []
        try:
            for cut in [*cuts, len(data)]:
                for event in self.association.receive_data(data[at : at + cut]):
                    if isinstance(event, Fragment):
                        fragments.append(event)
                    else:
                        yield WORDS[type(event)]
                at += cut
        except ProtocolViolation:
            yield VIOLATION
        if fragments:
            assert {fragment.context_id for fragment in fragments} == {1}
            text = b"".join(bytes(fragment.data) for fragment in fragments)
            assert [fragment.is_last for fragment in fragments if fragment.is_last] == [True][
                : text != b"begun"
            ]
            yield {b"whole": "data", b"begun": "begun", b"ended": "several"}[text]

    @rule(chance=st.integers(0, 7))
    def hang_up(self, chance: int) -> None:
        if chance:
            return
        events = list(self.association.receive_eof())
        assert events == ([] if self.state == "Sta1" else [Closed()])
        self.state, self.deaf = "Sta1", True

    # --- what we do ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.state == "Sta3")
    @rule(yes=st.booleans())
    def answer(self, yes: bool) -> None:
        if yes:
            self.association.accept(AC)
        else:
            self.association.reject(RJ)
        self.state = "Sta6" if yes else "Sta13"
        assert self.association.data_to_send() == SENT["AC" if yes else "RJ"]

    @precondition(lambda self: self.state == "Sta6")
    @rule()
    def release(self) -> None:
        self.association.release()
        self.state = "Sta7"
        assert self.association.data_to_send() == SENT["release"]

    @precondition(lambda self: self.state == "Sta8")
    @rule()
    def confirm(self) -> None:
        self.association.confirm_release()
        self.state = "Sta13"
        assert self.association.data_to_send() == SENT["released"]

    @rule(late=st.booleans(), chance=st.integers(0, 7))
    def give_up(self, late: bool, chance: int) -> None:
        if chance:
            return
        (self.association.timed_out if late else self.association.abort)()
        sent = self.association.data_to_send()
        if self.state in {"Sta1", "Sta2"} or (self.state == "Sta13" and late):
            self.state, self.deaf = "Sta1", True
            assert sent == b""
        elif self.state != "Sta13":
            self.state = "Sta13"
            assert sent == SENT["abort"]

    @invariant()
    def the_state_is_the_model_s(self) -> None:
        if hasattr(self, "association"):
            assert self.association.state == self.state
            assert self.association.must_close is (self.state == "Sta1")


TestPeer = Peer.TestCase
TestPeer.settings = settings(deadline=None, max_examples=200, stateful_step_count=40)
