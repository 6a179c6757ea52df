"""Fuzz lists of hosts and constituency files: hosts, ports and owners come out, or a Violation.

The first byte of an input chooses the format of a list, that it be recognised, or a constituency file.
Besides the contract on exceptions: what is read off a file is printable, bounded, and read again from what is
written of it; a host outside of a scope stays there, whatever list names it.
"""

from __future__ import annotations

import seeded

from leadglass.errors import Violation
from leadglass.scan.addresses import AddressSet, range_of
from leadglass.scan.constituency import Constituency, read_constituency
from leadglass.scan.scope import is_title, named_host
from leadglass.scan.targets import FORMATS, read_list

KINDS = ("", *FORMATS)
NMAP = b"""<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE nmaprun><nmaprun>
<host><address addr="192.0.2.7" addrtype="ipv4"/><address addr="00:11:22:33:44:55" addrtype="mac"/>
<ports><port protocol="tcp" portid="104"><state state="open"/></port>
<port protocol="udp" portid="106"><state state="open"/></port></ports></host></nmaprun>"""
MASSCAN_JSON = b'[{"ip":"192.0.2.7","ports":[{"port":104,"proto":"tcp","status":"open"}]}]'
EXPORTED = b"""{"ip_str":"192.0.2.7","port":104,"product":"DCMTK"}
{"ip":"2001:db8::7","services":[{"port":443,"service_name":"HTTP"},{"port":104}]}"""
OWNERS = b"""cidr,organisation,sector,country,asn,contact,language
192.0.2.0/24,"Example, Hospital",hospital,DE,64496,security@hospital.example,de
192.0.2.0/28,Ward,,,,,
2001:db8::/32,Other,clinic,FR,64497,,fr
"""
SEEDS = (
    b"# ours\n192.0.2.7:104\n\npacs.example.org  # old\n[2001:db8::7]:11112\nfe80::1%eth0\n",
    NMAP,
    b"#masscan\nopen tcp 104 192.0.2.7 1700000000\nopen udp 53 192.0.2.8 1700000000\n# end\n",
    MASSCAN_JSON,
    b"saddr,sport\n192.0.2.7,104\n192.0.2.8,11112\n",
    "IP Address;Port;AE Title;Device\n192.0.2.7;104;OLDPACS;Böhm PACS\n192.0.2.8;;;\n".encode(),
    b"'host'\t'port'\n'192.0.2.7'\t'104'\n",
    EXPORTED,
    b"[" + EXPORTED.replace(b"\n", b",") + b"]",
    OWNERS,
)
TOKENS = (
    b"\xef\xbb\xbf", b"\n", b"\r", b"\0", b"\xff", b"\x1b[31m", b'"', b"'", b",", b";", b"\t", b"#", b"%\x1b",
    b"%eth0", b"encoding='utf-7'", b"encoding='none'", b"encoding='hex'", b"<!ENTITY a 'b'>", b"&a;",
    b"<![CDATA[", b"-->", b"/0", b"-192.0.2.9", b"::ffff:192.0.2.7", b"null", b"5", b"[]", b"{}", b"1e999",
    b"[" * 900, b'{"a":' * 400, b"9" * 5000, b'"ports":', b'"services":', b'"ip":', b"\\u001b", b"\\ud800",
    b"cidr", b"0.0.0.0/0", b" " * 300, b'",' * 90,
)  # fmt: skip
AUTHORISED = AddressSet.of([range_of("192.0.2.0/29")])
LONGEST_HOST = 253


def one_input(data: bytes) -> None:
    if not data:
        return
    kind = data[0] % (len(KINDS) + 1)
    try:
        if kind == len(KINDS):
            owned(read_constituency(data[1:]))
        else:
            listed(data[1:], KINDS[kind])
    except Violation as error:
        fit_to_be_shown(str(error))


def fit_to_be_shown(sentence: str) -> None:
    assert sentence.isprintable() and len(sentence) < 400, sentence


def listed(content: bytes, kind: str) -> None:
    for each in read_list(content, kind):
        assert each.host.isprintable() and len(each.host) <= LONGEST_HOST
        assert each.port is None or 0 < each.port < 65536
        assert not each.title or is_title(each.title)
        assert each.note.isascii() and len(each.note) <= 64 and (each.note or "x").isprintable()
        assert named_host(each.host).host == each.host
        if each.host in AUTHORISED:
            assert each.host.startswith("192.0.2.") and 0 <= int(each.host.rpartition(".")[2]) < 8


def owned(found: Constituency) -> None:
    owners = found.owners()
    assert len(owners) == len(found)
    for each in owners:
        said = (each.organisation, each.sector, each.country, each.asn, each.contact, each.language)
        assert all(text.isprintable() and len(text) <= 200 for text in (each.cidr, *said))
        first = each.cidr.partition("/")[0]
        owner = found.owner(first)
        assert owner is not None and owner.cidr.partition("/")[0] == first
    found.owner("198.51.100.1")
    found.owner("2001:db8::1")


def corpus() -> list[bytes]:
    """Every list as what it is, and as every other."""
    return [bytes([kind]) + seed for kind in range(len(KINDS) + 1) for seed in SEEDS]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
