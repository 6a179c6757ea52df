"""Fuzz answers of RDAP and files of security.txt: a mail address, and whose it is, or a Violation.

The first byte of an input chooses which of the two. Besides the contract on exceptions: an address is one
word that can stand in a mail's head, and was in the file; the range is few networks, which an owner can be
read for.
"""

from __future__ import annotations

import json

import seeded

from leadglass.errors import Violation
from leadglass.scan.constituency import Constituency, Owner
from leadglass.scan.contacts import from_rdap, from_security_txt

MOST_NETWORKS = 256  # of one range: two for each bit of an address, at most


def card(mail: str, role: str, *inside: object) -> dict[str, object]:
    lines = [["version", {}, "text", "4.0"], ["fn", {}, "text", "A. Example"], ["email", {}, "text", mail]]
    return {"handle": "X", "roles": [role], "vcardArray": ["vcard", lines], "entities": list(inside)}


def rdap(first: str, last: str, *entities: object) -> bytes:
    members = {"objectClassName": "ip network", "startAddress": first, "endAddress": last}
    return json.dumps(members | {"entities": list(entities)}).encode()


RDAP = (
    rdap("192.0.2.0", "192.0.2.255", card("r@x.example", "registrant", card("abuse@x.example", "abuse"))),
    rdap("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", card("noc@x.example", "technical")),
    rdap("192.0.2.3", "198.51.100.9", card("a@x.example", "administrative"), card("b@x.example", "abuse")),
)
SECURITY_TXT = (
    b"# hello\r\nContact: https://st.example/report\r\ncontact:mailto:s@st.example?subject=x\r\n",
    b"-----BEGIN PGP SIGNED MESSAGE-----\n\nContact: mailto:security@st.example\n",
)
TOKENS = (
    b"[]", b"{}", b"null", b"5", b'""', b"1e999", b"[" * 900, b'{"entities":[' * 60, b"9" * 5000,
    b"\\u000d\\u000aBcc: ", b"\\ud800", b"@", b"mailto:", b"Contact: ", b"\r", b"\n", b"\r\n", b"\0", b"\xff",
    b"%eth0", b"::", b"/24", b"-", b'"email"', b'"entities":', b'"vcardArray":', b'"roles":', b'"abuse"',
    b"\xff\xfe", b"\xef\xbb\xbf", b" " * 300,
)  # fmt: skip


def one_input(data: bytes) -> None:
    if not data:
        return
    try:
        if data[0] & 1:
            mail = from_security_txt(data[1:])
            assert mail.encode() in data
        else:
            found, mail = from_rdap(data[1:])
            networks = found.networks()
            assert 0 < len(networks) <= MOST_NETWORKS
            owners = Constituency(Owner(cidr, contact=mail) for cidr in networks)
            owner = owners.owner(networks[0].partition("/")[0])
            assert owner is not None and owner.contact == mail
    except Violation as error:
        fit_to_be_shown(str(error))
        return
    assert mail.isascii() and mail.isprintable() and not set(mail) & set(' ,;<>"()')
    assert len(mail) < 256 and mail.count("@") == 1


def fit_to_be_shown(sentence: str) -> None:
    assert sentence.isprintable() and len(sentence) < 400, sentence


def corpus() -> list[bytes]:
    """Answers of either kind, and each as the other."""
    return [bytes([kind]) + seed for kind in (0, 1) for seed in (*RDAP, *SECURITY_TXT)]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
