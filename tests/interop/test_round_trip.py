"""Every file that comes with pydicom goes in over C-STORE and comes back over C-GET and C-MOVE with its data set
byte for byte the same; what is not taken in is answered as the table says and kept aside as it came."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from interop_files import Sent, archives, everything, in_a_study
from interop_home import Home, home
from interop_images import data_set_of
from interop_refused import FAULTY, LATER, NO_CONTEXT, OTHER_CONTENT, SAME_CONTENT, TAKEN
from interop_transfers import VAULT, Answer, Received, Vault, fetched, send

NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
SYNTAXES = {
    "1.2.840.10008.1.2": "implicit VR",
    "1.2.840.10008.1.2.1": "explicit VR",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "big endian",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    NEAR_LOSSLESS: "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.5": "RLE",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A home that was sent `sent`, and what it answered; `vault` is where it may send to."""

    home: Home
    sent: list[Sent]
    answers: dict[str, Answer]
    vault: Vault

    @property
    def taken(self) -> list[Sent]:
        """What is there now, if the table is right."""
        return [each for each in self.sent if each.name not in FAULTY.keys() | LATER.keys()]


@pytest.fixture(scope="module")
def files() -> list[Sent]:
    return everything()


@pytest.fixture(scope="module")
def exchange(files: list[Sent], _cheap: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """With a destination that has a certificate, and wants to see the archive's."""
    vault = Vault()
    with home(tmp_path_factory.mktemp("round-trip")) as made:
        made.add(f"{VAULT}@localhost:{vault.port}", certified=True)
        with vault.listening(files, made.tls_context(VAULT, ssl.Purpose.CLIENT_AUTH)):
            yield Exchange(made, files, send(made.plain, files), vault)


def require_same(received: Received, sent: list[Sent]) -> None:
    """All of these and nothing else, in the transfer syntax and with the bytes that were sent."""
    assert received.completed == len(sent)
    assert received.data_sets.keys() == {each.instance for each in sent}
    altered = [
        each.name for each in sent if received.data_sets[each.instance] != (each.syntax, each.data_set)
    ]
    assert altered == []


def test_each_is_taken_in_or_answered_as_the_table_says(exchange: Exchange) -> None:
    expected = FAULTY | LATER
    assert exchange.answers == {each.name: expected.get(each.name, TAKEN) for each in exchange.sent}


def test_the_table_is_about_files_that_are_there(files: list[Sent]) -> None:
    """And those that share a SOP Instance UID do so; nothing is on it twice."""
    assert len(files) > 250
    named = {each.name: each for each in files}
    assert FAULTY.keys() | LATER.keys() <= named.keys()
    assert not FAULTY.keys() & LATER.keys()
    for first, names in (*OTHER_CONTENT.items(), *SAME_CONTENT.items()):
        for name in names.split():
            assert named[name].instance == named[first].instance
            assert (named[name].data_set == named[first].data_set) == (first in SAME_CONTENT)


def test_every_transfer_syntax_is_among_what_comes_back(files: list[Sent]) -> None:
    taken = {each.syntax for each in files if each.name not in FAULTY}
    assert taken == SYNTAXES.keys() - {NEAR_LOSSLESS}
    assert {each.syntax for each in files} == SYNTAXES.keys()


def test_it_comes_back_by_c_get(exchange: Exchange) -> None:
    require_same(fetched(exchange.home, exchange.taken), exchange.taken)


def test_it_comes_back_by_c_move(exchange: Exchange) -> None:
    require_same(exchange.vault.moved(exchange.home, exchange.taken), exchange.taken)


def test_what_is_not_taken_in_is_kept_aside_as_it_came(exchange: Exchange) -> None:
    refused = [each for each in exchange.sent if exchange.answers[each.name] not in (TAKEN, NO_CONTEXT)]
    kept = [data_set_of(file) for file in exchange.home.kept_aside()]
    # The same bytes of no known instance, twice, are kept once.
    assert kept == list(dict.fromkeys(each.data_set for each in refused))
    assert len(kept) > 80


def test_everything_is_sound_afterwards(exchange: Exchange) -> None:
    assert exchange.home.check().ok


def test_what_had_to_wait_comes_back_from_an_archive_of_its_own(files: list[Sent], tmp_path: Path) -> None:
    """What shares its SOP Instance UID with a file before it, in as many archives as that takes."""
    first, *others = archives(each for each in files if each.name not in FAULTY)
    assert [each.name for each in first] == [each.name for each in files if each.name not in FAULTY | LATER]
    assert {each.name for lot in others for each in lot} == LATER.keys()
    with Vault().listening(files) as vault:
        for number, lot in enumerate(others):
            there_and_back(tmp_path / str(number), lot, vault)


def test_what_is_of_no_study_comes_back_when_it_is_lent_one(files: list[Sent], tmp_path: Path) -> None:
    """Nothing else is near-lossless JPEG-LS."""
    lent = [in_a_study(each) for each in files if each.syntax == NEAR_LOSSLESS]
    assert len(lent) == 4
    with Vault().listening(lent) as vault:
        there_and_back(tmp_path / "lent", lent, vault)


def there_and_back(folder: Path, sent: list[Sent], vault: Vault) -> None:
    """Through a new archive, which sends to a destination without a certificate on this machine."""
    folder.mkdir()
    with home(folder) as made:
        made.add(f"{VAULT}@127.0.0.1:{vault.port}", certified=False)
        assert send(made.plain, sent) == {each.name: TAKEN for each in sent}
        require_same(fetched(made, sent), sent)
        require_same(vault.moved(made, sent), sent)
