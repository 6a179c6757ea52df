"""Fuzz scopes, their signatures and trusted keys: a scope that allows what it says comes out, or a Violation.

The first byte of an input chooses a scope, a signature of `SCOPE`, or a file of trusted keys. Besides the
contract on exceptions: what is surveyed is authorised and not on the do-not-probe list; what is said of a
scope is printable; a signature that counts has the trusted key's own bytes in it, and is of the scope to the
byte.
"""

from __future__ import annotations

from datetime import date

import seeded

from leadglass.errors import Denied, LeadglassError, Violation
from leadglass.note import Note, Signer
from leadglass.scan.authority import read_trusted, sign, verify
from leadglass.scan.manner import MOST_TITLES
from leadglass.scan.ports import MOST_PORTS
from leadglass.scan.scope import MOST_RATE, read_scope
from leadglass.scan.scope_text import template

NOW = 1_800_000_000_000
SIGNER = Signer.from_seed("hospital.example/scan", bytes(range(32)))
OTHER = Signer.from_seed("hospital.example/scan", bytes(32))
SCOPE = b"""[authorisation]
organisation = "Example Hospital"
authorised_by = "A. Example, head of IT"
contact = "security@hospital.example"
legal_basis = "own networks"
valid_from = 2027-01-01
valid_to = 2027-12-31
ranges = ["10.1.0.0/16", "127.0.0.0/8", "fe80::/64"]
[targets]
ranges = ["10.1.2.0/24", "10.1.3.1-10.1.3.9"]
hosts = ["10.1.4.7:104", "pacs.example.org", "[fe80::7]:11112"]
lists = ["a.csv", { path = "b.xml", format = "nmap" }]
do_not_probe = ["10.1.2.7", "10.1.2.128/25"]
ports = [104, 11112]
[limits]
max_level = "count"
options = ["titles", "images"]
titles = ["OLDPACS"]
rate = 100
rate_per_24 = 10
hours = "20:00-06:00"
time_zone = "Europe/Berlin"
[reports]
tlp = "GREEN"
constituency = "owners.csv"
"""
SIGNATURE = sign(SCOPE, SIGNER, NOW).encode()
TRUSTED = f"# who may\n{SIGNER.key.encode()}\n{OTHER.key.encode()} # old\n".encode()
SEEDS = (
    SCOPE,
    SIGNATURE,
    sign(SCOPE, OTHER, NOW).encode(),
    sign(b"", SIGNER, NOW).encode(),
    TRUSTED,
    template(date(2027, 1, 15)).encode(),
)
TOKENS = (
    b"[" * 900, b"{a=" * 300, b"a." * 300, b"9" * 5000, b"9999-12-31", b"0001-01-01", b"24:00", b"0x",
    b"1e999", b"nan", b'""', b"'''", b'"""', b"\\u001b", b"\\u009b", b"\\u202e", b"\x1b", b"\xff", b"\0",
    b"\r", b"\n", b"%\x1b", b"%eth0", b"0.0.0.0/0", b"::/0", b"::ffff:10.1.2.3", b"10.1.2.0-10.1.2.255",
    b"most_addresses = 4294967296\n", b"Europe/", b"../", b"zone.tab", "\u2014 ".encode(), b"\n\n", b"+",
    b"=", b"[targets]\n", b"[[targets]]\n", b"true", b"wide",
)  # fmt: skip
READ_SCOPE, READ_SIGNATURE, READ_TRUSTED = range(3)


def one_input(data: bytes) -> None:
    if not data:
        return
    kind, body = data[0] % 3, data[1:]
    try:
        if kind == READ_SCOPE:
            scoped(body)
        elif kind == READ_SIGNATURE:
            signed(body)
        else:
            trusted(body.decode("utf-8", "replace"))
    except (Violation, Denied) as error:
        fit_to_be_shown(str(error))


def fit_to_be_shown(sentence: str) -> None:
    assert sentence.isprintable() and len(sentence) < 500, sentence


def scoped(body: bytes) -> None:
    scope = read_scope(body, NOW)
    said = (scope.organisation, scope.authorised_by, scope.contact, scope.legal_basis, scope.constituency)
    hosts = [host.host for host in scope.hosts]
    # No-break spaces and the like are no harm; what moves a cursor or turns a line around is.
    assert all(letter.isprintable() or letter.isspace() for text in said for letter in text)
    assert all(map(str.isprintable, hosts))
    assert not set("\r\n\x0b\x0c\x85\u2028\u2029") & set("".join(said))
    assert scope.valid_from <= NOW < scope.valid_to
    assert 0 < len(scope.ports) <= MOST_PORTS and len(scope.titles) <= MOST_TITLES
    assert 0 < scope.rate <= MOST_RATE and 0 < scope.rate_per_24 <= MOST_RATE
    for each in scope.ranges.ranges:
        assert scope.authorised.covers(each)
        assert not any(hole.version == each.version and hole.first <= each.last and each.first <= hole.last
                       for hole in scope.do_not_probe.ranges)  # fmt: skip
    if scope.ranges:
        scope.require(scope.ranges[0], scope.ports[0], NOW)
    for host in hosts:
        assert ":" not in host or host in scope.authorised or host in scope.do_not_probe
    if scope.hours is not None:
        assert 0 <= scope.hours.wait(NOW) <= 2 * 86_400


def signed(body: bytes) -> None:
    found = verify(SCOPE, body, [SIGNER.key])
    assert found.name == SIGNER.key.name
    note = Note.decode(body)
    assert note.encode().encode() == body
    assert note.text == Note.decode(SIGNATURE).text
    assert set(Note.decode(SIGNATURE).signatures) <= set(note.signatures)
    try:
        verify(SCOPE + b"\n", body, [SIGNER.key])
    except LeadglassError:
        return
    raise AssertionError("signed a scope that it is not of")


def trusted(text: str) -> None:
    for key in read_trusted(text):
        assert key.encode() in text
        assert key.name.isprintable()


def corpus() -> list[bytes]:
    """A scope with all there is, signatures that count and others, keys; each as the others too."""
    return [bytes([kind]) + seed for kind in range(3) for seed in SEEDS]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
