"""Lists that others made, whole and broken."""

from __future__ import annotations

import json

import pytest

from leadglass.errors import Violation
from leadglass.scan.targets import Entry, read_list, recognise

NMAP = b"""<?xml version="1.0"?><!DOCTYPE nmaprun><nmaprun>
<host><address addr="192.0.2.7" addrtype="ipv4"/><address addr="00:11:22:33:44:55" addrtype="mac"/>
<ports><port protocol="tcp" portid="104"><state state="open"/></port>
<port protocol="tcp" portid="105"><state state="closed"/></port>
<port protocol="udp" portid="106"><state state="open"/></port></ports></host>
<host><address addr="2001:db8::7" addrtype="ipv6"/><ports><port protocol="tcp" portid="11112"><state state="open"/>
</port></ports></host></nmaprun>"""

LISTS = {
    "hosts": (b"# ours\n192.0.2.7:104\n\npacs.example.org  # old\n[2001:db8::7]:11112\n",
              [Entry("192.0.2.7", 104), Entry("pacs.example.org"), Entry("2001:db8::7", 11112)]),
    "nmap": (NMAP, [Entry("192.0.2.7", 104), Entry("2001:db8::7", 11112)]),
    "masscan": (b"#masscan\nopen tcp 104 192.0.2.7 1700000000\nopen udp 53 192.0.2.8 1700000000\n# end\n",
                [Entry("192.0.2.7", 104)]),
    "masscan-json": (b'[{"ip":"192.0.2.7","ports":[{"port":104,"proto":"tcp","status":"open"}]}]',
                     [Entry("192.0.2.7", 104)]),
    "zmap": (b"saddr,sport\n192.0.2.7,104\n192.0.2.8,11112\n", [Entry("192.0.2.7", 104), Entry("192.0.2.8", 11112)]),
    "csv": ("IP Address;Port;AE Title;Device;Room\n192.0.2.7;104;OLDPACS;Böhm PACS;7\n192.0.2.8;;;;\n".encode(),
            [Entry("192.0.2.7", 104, "OLDPACS", "B?hm PACS"), Entry("192.0.2.8")]),
    "json": ((b'{"ip_str":"192.0.2.7","port":104,"product":"DCMTK"}\n{"ip":"192.0.2.8","services":[{"port":443,'
             b'"service_name":"HTTP"},{"port":104}]}\n'),
             [Entry("192.0.2.7", 104, note="DCMTK"), Entry("192.0.2.8", 443, note="HTTP"), Entry("192.0.2.8", 104)]),
}  # fmt: skip


@pytest.mark.parametrize("kind", LISTS)
def test_lists_are_recognised_and_read(kind: str) -> None:
    content, entries = LISTS[kind]
    assert recognise(content) == kind
    assert read_list(content) == read_list(content, kind) == entries


def test_what_is_no_ae_title_is_none() -> None:
    [entry] = read_list(b"ip,ae title\n192.0.2.7,A\\B\n")
    assert entry == Entry("192.0.2.7")


@pytest.mark.parametrize("kind", LISTS)
def test_cut_or_spoilt_lists_raise_nothing_else(kind: str) -> None:
    content = LISTS[kind][0]
    for at in range(len(content)):
        for spoilt in (content[:at], content[:at] + b"\xff" + content[at + 1 :]):
            for asked in (kind, ""):
                try:
                    read_list(spoilt, asked)
                except Violation as error:
                    assert str(error).endswith(".")  # noqa: PT017 - both ways are right


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"not a host!", "hosts"),
        (b"192.0.2.7:99999", ""),
        (b"<a><b></a>", ""),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>', ""),
        (b"open tcp 104", "masscan"),
        (b"a,b\n1,2\n", "csv"),
        (b"ip,port\n192.0.2.7,http\n", ""),
        (b"[" * 100_000, ""),
        (b"{}\n[]\n", ""),
        (b"192.0.2.7\n" + b"x" * 100_000, ""),
        (b"192.0.2.7", "excel"),
        (json.dumps([{"ip": "x y", "ports": [{"port": 1}]}]).encode(), ""),
    ],
)
def test_what_is_no_list(content: bytes, kind: str) -> None:
    with pytest.raises(Violation):
        read_list(content, kind)


def test_a_list_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadglass.scan.targets.MOST", 3)
    assert len(read_list(b"1.1.1.1\n1.1.1.1\n1.1.1.2\n1.1.1.3")) == 3
    with pytest.raises(Violation):
        read_list(b"1.1.1.1\n1.1.1.2\n1.1.1.3\n1.1.1.4")
    monkeypatch.setattr("leadglass.scan.targets.LARGEST", 3)
    with pytest.raises(Violation):
        read_list(b"1.1.1.1")


@pytest.mark.parametrize("encoding", ["none", "utf-7", "hex", "punycode", "undefined", "shift_jis"])
def test_xml_in_an_encoding_that_nobody_reads(encoding: str) -> None:
    with pytest.raises(Violation, match="encoding"):
        read_list(f'<?xml version="1.0" encoding="{encoding}"?><nmaprun/>'.encode("ascii"))


@pytest.mark.parametrize("ports", ["5", "null", '"104"', "{}", "true", "[5]"])
def test_ports_that_are_no_list(ports: str) -> None:
    assert read_list(f'[{{"ip":"192.0.2.7","ports":{ports}}}]'.encode()) == []


@pytest.mark.parametrize(
    "host", ["fe80::1%\x1b[31m", "fe80::1%\u202ex", "192.0.2.7\x0b:104", "[ ::1 ]:104", "fe80::1%"]
)
def test_an_address_with_what_moves_the_cursor_is_none(host: str) -> None:
    for content in (host.encode(), json.dumps({"ip": host}).encode()):
        with pytest.raises(Violation) as caught:
            read_list(content)
        assert str(caught.value).isprintable()
    assert read_list(b"fe80::1%eth0.7") == [Entry("fe80::1%eth0.7")]
