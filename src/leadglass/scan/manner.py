"""How a survey introduces itself, how long it waits, and how far it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from leadglass.scan.observation import Level

CALLING: Final = "LEADGLASS-SCAN"
MADE_UP: Final = "LGSCAN"  # how AE titles begin that nobody has
IMPLEMENTATION_VERSION: Final = "LEADGLASS_SCAN"
MOST_TITLES: Final = 10  # of others' AE titles that are tried at one port: more is guessing


class Option(StrEnum):
    """What a scope has to ask for by name."""

    IMAGES = "images"  # decode Number of Study Related Instances and nothing else
    PEOPLE = "people"  # count distinct patients by a keyed hash that lives as long as the run
    IDENTIFIERS = "identifiers"  # which kinds of identifiers have values
    TITLES = "titles"  # try the AE titles that the scope names
    CREDENTIALS = "credentials"  # one try of a product's published default


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `host`: for all that is asked of one port; what is not done by then is not done."""

    connect: float = 3
    answer: float = 10
    count: float = 300
    host: float = 420
    parting: float = 1  # for an answer to our release, or to close after our abort


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of one other side we take before we leave."""

    responses: int = 5_000_000  # C-FIND responses in all queries together
    unlikely: int = 50_000  # of who takes a service that is none, and finds what there cannot be
    queries: int = 2_000
    control_pdu: int = 64 << 10  # bytes
    data_pdu: int = 256 << 10
    data_set: int = 64 << 10  # bytes of one data set, which are dropped
    head: int = 16 << 10  # bytes of an HTTP response's head
    body: int = 64 << 10


@dataclass(frozen=True, slots=True)
class Manner:
    """`contact` is who answers for the survey, for owners who find us in their logs. `secret` is the run's:
    AE titles made up for probes and hashes of identifiers are made with it, and it is never kept."""

    contact: str
    max_level: Level
    options: frozenset[Option] = frozenset()
    titles: tuple[str, ...] = ()
    patience: Patience = field(default_factory=Patience)
    bounds: Bounds = field(default_factory=Bounds)
    secret: bytes = field(default=b"", repr=False)

    def made_up_title(self, purpose: str, address: str, port: int) -> str:
        """An AE title that nobody can have: 16 characters, the same for one purpose, port and run."""
        digest = blake2b(f"{purpose} {address} {port}".encode(), key=self.secret, digest_size=5)
        return f"{MADE_UP}{digest.hexdigest().upper()}"

    @property
    def user_agent(self) -> str:
        return f"Leadglass-scan ({self.contact})" if self.contact else "Leadglass-scan"
