"""Objects there and back: sent as they are, fetched by C-GET and C-MOVE as they were on the wire."""

from __future__ import annotations

import ssl
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import starmap
from typing import Any

from interop_files import Sent
from interop_home import SCANNER, STATION, TITLE, Home
from interop_programs import free_port
from pydicom import Dataset
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GET
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as MOVE
from pynetdicom.sop_class import register_uid
from raw_peer import AC, Peer, associate_rq, message, store_rq

NOT_OFFERED = 3  # abstract syntax not supported, PS3.8 Table 9-18
RETIRED_ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6"  # pynetdicom serves only those of its own lists
register_uid(RETIRED_ULTRASOUND, "UltrasoundImageStorageRetired", StorageServiceClass)
VAULT = "VAULT"
LONGEST_PDU = 1 << 17
Answer = tuple[int, str]  # status and Error Comment; for what no context was accepted, its result


# --- in ---------------------------------------------------------------------------------------------------


def send(port: int, sent: Sequence[Sent]) -> dict[str, Answer]:
    """What is answered to each, by its name: all on one association, with a presentation context for each
    kind of object. Made by hand: nothing is there to encode anything anew."""
    kinds = {kind: 2 * place + 1 for place, kind in enumerate(dict.fromkeys(each.kind for each in sent))}
    contexts = [(number, sop_class, (syntax,)) for (sop_class, syntax), number in kinds.items()]
    peer = Peer.connect(port)
    peer.send(associate_rq(calling=SCANNER.encode(), contexts=contexts))
    kind, body = peer.read()
    assert kind == AC
    results = dict(context_results(body))
    peer.longest = LONGEST_PDU
    answers = {}
    for place, each in enumerate(sent, 1):
        number = kinds[each.kind]
        answers[each.name] = (results[number], "") if results[number] else store(peer, number, place, each)
    peer.release()
    return answers


def store(peer: Peer, context: int, number: int, sent: Sent) -> Answer:
    command = store_rq(sent.instance, number, sent.sop_class)
    peer.send(message(context, command, sent.data_set, peer.longest))
    answer = peer.response()
    return int.from_bytes(answer[0x0900], "little"), answer.get(0x0902, b"").decode().rstrip()


def context_results(body: bytes) -> Iterator[tuple[int, int]]:
    """Presentation context ID and result of an A-ASSOCIATE-AC (PS3.8 Table 9-18)."""
    at = 68
    while at < len(body):
        kind, length = struct.unpack_from(">BxH", body, at)
        if kind == 0x21:
            yield body[at + 4], body[at + 6]
        at += 4 + length


# --- out --------------------------------------------------------------------------------------------------


@dataclass
class Received:
    """What a storage SCP of pynetdicom's was given: transfer syntax and undecoded data set by SOP Instance UID."""

    data_sets: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    completed: int = 0  # sub-operations that the archive says it has performed

    @property
    def handlers(self) -> list[Any]:
        return [(evt.EVT_C_STORE, self.on_store)]

    def on_store(self, event: Any) -> int:
        instance = str(event.request.AffectedSOPInstanceUID)
        assert instance not in self.data_sets, "twice"
        self.data_sets[instance] = str(event.context.transfer_syntax), event.request.DataSet.getvalue()
        return 0x0000

    def heard(self, responses: Iterable[tuple[Dataset, Any]]) -> None:
        """The final response, in which nothing may have failed."""
        final = [status for status, _ in responses][-1]
        assert final.Status == 0x0000, hex(final.Status)
        assert (final.NumberOfFailedSuboperations, final.NumberOfWarningSuboperations) == (0, 0)
        self.completed = final.NumberOfCompletedSuboperations


def fetched(home: Home, sent: Sequence[Sent]) -> Received:
    """By C-GET, with a context for each kind of object in its own transfer syntax."""
    received = Received()
    kinds = {each.kind for each in sent}
    contexts = [build_context(GET), *starmap(build_context, kinds)]
    roles = [build_role(sop_class, scp_role=True) for sop_class in {sop_class for sop_class, _ in kinds}]
    with associated(home, contexts, ext_neg=roles, evt_handlers=received.handlers) as link:
        received.heard(link.send_c_get(wanted(sent), GET))
    return received


@dataclass
class Vault:
    """A storage SCP that C-MOVE sends to."""

    port: int = field(default_factory=free_port)
    received: Received = field(default_factory=Received)

    @contextmanager
    def listening(self, sent: Iterable[Sent], tls: ssl.SSLContext | None = None) -> Iterator[Vault]:
        """For the kinds of these objects."""
        made = AE(VAULT)
        made.maximum_pdu_size = LONGEST_PDU
        for sop_class, syntax in {each.kind for each in sent}:
            made.add_supported_context(sop_class, syntax)
        server = made.start_server(
            ("127.0.0.1", self.port),
            block=False,
            evt_handlers=[(evt.EVT_C_STORE, self._on_store)],
            ssl_context=tls,
        )
        try:
            yield self
        finally:
            server.shutdown()
            for thread in threading.enumerate():
                if type(thread).__module__.startswith("pynetdicom"):
                    thread.join(10)

    def _on_store(self, event: Any) -> int:
        return self.received.on_store(event)

    def moved(self, home: Home, sent: Sequence[Sent]) -> Received:
        """By C-MOVE from a home that knows it."""
        self.received = received = Received()
        with associated(home, [build_context(MOVE)]) as link:
            received.heard(link.send_c_move(wanted(sent), VAULT, MOVE))
        return received


@contextmanager
def associated(home: Home, contexts: list[Any], **more: Any) -> Iterator[Any]:
    """As the station, over mutual TLS."""
    calling = AE(STATION)
    link = calling.associate(
        "127.0.0.1",
        home.tls,
        contexts,
        TITLE,
        max_pdu=LONGEST_PDU,
        tls_args=(home.tls_context(STATION), "localhost"),
        **more,
    )
    assert link.is_established
    try:
        yield link
    finally:
        link.release()


def wanted(sent: Iterable[Sent]) -> Dataset:
    """The identifier that asks for all studies of these."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = sorted({each.study for each in sent})
    return identifier
