"""What a scope says, and every way in which it can be wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from leadglass.errors import Denied, Violation
from leadglass.scan.manner import Option
from leadglass.scan.observation import Level
from leadglass.scan.ports import PROFILES
from leadglass.scan.scope import Named, Scope, named_host, read_scope
from leadglass.scan.scope_text import local_scope, template

NOW = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000
BASE: dict[str, dict[str, Any]] = {
    "authorisation": {
        "organisation": '"Example Hospital"',
        "authorised_by": '"A. Example, head of IT"',
        "contact": '"security@hospital.example"',
        "legal_basis": '"own networks"',
        "valid_from": "2026-03-01",
        "valid_to": "2026-03-31",
        "ranges": '["10.1.0.0/16", "127.0.0.0/8"]',
    },
    "targets": {"ranges": '["10.1.2.0/24"]'},
    "limits": {},
    "reports": {},
}


def text(**changes: str | None) -> bytes:
    """`section__name="…"` sets, None takes away."""
    members = {section: dict(table) for section, table in BASE.items()}
    for key, value in changes.items():
        section, _, name = key.partition("__")
        members.setdefault(section, {})[name] = value
    lines = []
    for section, table in members.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {value}" for name, value in table.items() if value is not None]
    return "\n".join(lines).encode()


def scope(**changes: str | None) -> Scope:
    return read_scope(text(**changes), NOW)


def test_what_is_not_said_is_no() -> None:
    found = scope()
    assert (found.max_level, found.options, found.titles) == (Level.ASSOCIATES, frozenset(), ())
    assert (found.rate, found.rate_per_24, found.hours, found.tlp) == (200, 50, None, "AMBER")
    assert found.ports == PROFILES["usual"]
    assert not found.needs_signature


def test_all_that_can_be_said() -> None:
    found = scope(
        targets__hosts='["pacs.example.org:104", "10.1.9.9", "[fd00::1]:11112"]',
        targets__do_not_probe='["10.1.2.0/25", "10.1.2.4"]',
        targets__ports="[104, 11112, 104]",
        targets__lists='["hosts.txt", { path = "found.xml", format = "nmap" }]',
        authorisation__ranges='["10.1.0.0/16", "fd00::/64"]',
        limits__max_level='"count"',
        limits__options='["people", "titles"]',
        limits__titles='["PACS", "A B"]',
        limits__rate="9",
        reports__tlp='"RED"',
    )
    assert found.hosts == (Named("pacs.example.org", (104,)), Named("10.1.9.9"), Named("fd00::1", (11112,)))
    assert (found.ports, found.ranges.size) == ((104, 11112), 128)
    assert found.lists == (("hosts.txt", ""), ("found.xml", "nmap"))
    assert (found.max_level, found.options) == (Level.COUNTED, {Option.PEOPLE, Option.TITLES})
    assert (found.titles, found.rate, found.tlp) == (("PACS", "A B"), 9, "RED")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"authorisation__organisation": '""'}, "scope"),
        ({"authorisation__organisation": None}, "scope"),
        ({"authorisation__contact": '"a\\nb"'}, "scope"),
        ({"authorisation__legal_basis": "7"}, "scope"),
        ({"authorisation__valid_to": "2026-02-01"}, "scope"),
        ({"authorisation__valid_to": "2026-03-09"}, "scope-time"),
        ({"authorisation__valid_from": "2026-03-11"}, "scope-time"),
        ({"authorisation__valid_to": "2036-03-09"}, "scope"),
        ({"authorisation__valid_to": "2026-03-31T10:00:00"}, "scope"),
        ({"authorisation__valid_to": '"2026-03-31"'}, "scope"),
        ({"authorisation__range": "[]"}, "scope"),
        ({"authorisation__ranges": '["10.1.0.0/16", "10.1.4.0/24"]'}, "scope-overlap"),
        ({"targets__ranges": '["10.1.2.0/24", "10.1.2.128/25"]'}, "scope-overlap"),
        ({"targets__ranges": '["10.2.0.0/24"]'}, "scope-outside"),
        ({"targets__ranges": '["10.1.255.0-10.2.0.1"]'}, "scope-outside"),
        ({"targets__ranges": '["10.1.2.1/24"]'}, "range"),
        ({"targets__ranges": "[7]"}, "scope"),
        ({"targets__ranges": None}, "scope-empty"),
        ({"targets__hosts": '["10.9.9.9:104"]'}, "scope-outside"),
        ({"targets__hosts": '["a b"]'}, "host"),
        ({"targets__hosts": '["pacs:0"]'}, "port"),
        ({"targets__ranges": '["127.0.0.0/8"]'}, "scope-huge"),
        ({"targets__ports": '"al"'}, "ports"),
        ({"targets__ports": "[0]"}, "port"),
        ({"targets__ports": "[104, true]"}, "port"),
        ({"targets__ports": str(list(range(1, 66)))}, "ports"),
        ({"targets__lists": '[{ path = "a" }]'}, "scope"),
        ({"targets__do_not_prob": '["10.1.2.3"]'}, "scope"),
        ({"limits__max_level": '"retrieve"'}, "scope"),
        ({"limits__rate": "0"}, "scope"),
        ({"limits__rate": "true"}, "scope"),
        ({"limits__hours": '"25:00-06:00"'}, "scope"),
        ({"limits__hours": '"06:00-06:00"'}, "scope"),
        ({"limits__time_zone": '"Mars/Olympus"'}, "scope"),
        ({"limits__options": '["everything"]'}, "scope"),
        ({"limits__titles": '["' + '", "'.join(f"T{n}" for n in range(11)) + '"]'}, "scope"),
        ({"limits__titles": '["SEVENTEEN LETTERS"]'}, "scope"),
        ({"reports__tlp": '"WHITE"'}, "scope"),
        ({"more__name": "1"}, "scope"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_packet(changes: dict[str, str | None], code: str) -> None:
    with pytest.raises(Violation) as caught:
        scope(**changes)
    assert caught.value.code == code
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"authorisation__valid_to": '"2026-03-31"'}, "authorisation.valid_to is a day without quotes"),
        (
            {"authorisation__valid_to": "2026-03-31T10:00:00"},
            "authorisation.valid_to is a day without quotes",
        ),
        ({"authorisation__legal_basis": "7"}, 'authorisation.legal_basis is a text in "quotes".'),
        ({"targets__ranges": '"10.1.2.0/24"'}, "targets.ranges is a list."),
        ({"targets__ports": "104"}, 'targets.ports is a text in "quotes" or a list.'),
        ({"limits__rate": '"200"'}, "limits.rate is a number."),
    ],
)
def test_a_value_of_another_kind_is_told_which_it_has_to_be(
    changes: dict[str, str | None], said: str
) -> None:
    with pytest.raises(Violation) as caught:
        scope(**changes)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("content", [b"[", b"\xff", b"a = " + b"9" * (5 << 20), b"authorisation = 3"])
def test_what_is_no_scope_at_all(content: bytes) -> None:
    with pytest.raises(Violation):
        read_scope(content, NOW)


def test_the_one_gate() -> None:
    found = scope(targets__do_not_probe='["10.1.2.3"]')
    found.require("10.1.2.4", 104, NOW)
    for address, now, code in (
        ("10.1.2.3", NOW, "do-not-probe"),
        ("10.2.2.4", NOW, "outside-scope"),
        ("pacs", NOW, "outside-scope"),
        ("10.1.2.4", NOW + 40 * DAY, "scope-time"),
        ("10.1.2.4", NOW - 40 * DAY, "scope-time"),
    ):
        with pytest.raises(Denied) as caught:
            found.require(address, 104, now)
        assert caught.value.code == code


def test_public_ranges_need_a_signature() -> None:
    assert scope(authorisation__ranges='["10.1.0.0/16", "192.0.2.0/24", "8.8.8.0/24"]').needs_signature
    assert not scope(authorisation__ranges='["10.1.0.0/16", "192.168.0.0/24"]').needs_signature


@pytest.mark.parametrize(
    ("hours", "hour", "minutes"),
    [("20:00-06:00", 12, 480), ("20:00-06:00", 21, 0), ("20:00-06:00", 5, 0), ("08:00-11:00", 12, 1200),
     ("11:00-13:00", 12, 0), ("13:30-24:00", 12, 90)],
)  # fmt: skip
def test_hours(hours: str, hour: int, minutes: int) -> None:
    found = scope(limits__hours=f'"{hours}"').hours
    assert found is not None
    assert found.wait(NOW + (hour - 12) * 3_600_000) == minutes * 60


def test_hours_are_those_of_the_place() -> None:
    """Berlin is an hour ahead in winter, and two from 29 March 2026, 01:00 UTC, on."""
    found = scope(limits__hours='"20:00-06:00"', limits__time_zone='"Europe/Berlin"').hours
    assert found is not None
    assert found.wait(NOW) == 7 * 3600
    before = int(datetime(2026, 3, 28, 22, tzinfo=UTC).timestamp() * 1000)
    spring = scope(limits__hours='"10:00-11:00"', limits__time_zone='"Europe/Berlin"').hours
    assert spring is not None
    assert spring.wait(before) == 10 * 3600


@pytest.mark.parametrize(
    "text", ["", ":", "a:", "::1]:4", "[::1", "[pacs]:104", "a:b:c", "a/b", "-a", "a" * 254]
)
def test_hosts_that_are_none(text: str) -> None:
    with pytest.raises(Violation):
        named_host(text)


def test_the_scope_we_write_ourselves_is_one() -> None:
    found = read_scope(
        local_scope([Named("127.0.0.1", (4242,)), Named("::1", (104,))], "root@here", NOW).encode(), NOW
    )
    assert found.hosts == (Named("127.0.0.1", (4242,)), Named("::1", (104,)))
    assert (found.max_level, found.options, found.needs_signature) == (Level.ANSWERS, frozenset(), False)


def test_the_scope_to_fill_in_is_refused_until_it_is() -> None:
    empty = template(datetime.fromtimestamp(NOW / 1000, UTC).date())
    with pytest.raises(Violation):
        read_scope(empty.encode(), NOW)
    filled = empty
    for name in ("organisation", "authorised_by", "contact", "legal_basis"):
        filled = filled.replace(f'{name} = ""', f'{name} = "x"', 1)
    filled = filled.replace("ranges = []", 'ranges = ["10.0.0.0/30"]')
    assert read_scope(filled.encode(), NOW).ranges.size == 4


@pytest.mark.parametrize("spoilt", [b"a = " + b"[" * 5000, b"a = " + b"{a=" * 5000, b"a = " + b"9" * 5000])
def test_a_scope_that_its_reader_stumbles_over(spoilt: bytes) -> None:
    with pytest.raises(Violation) as caught:
        read_scope(text() + b"\n" + spoilt, NOW)
    assert caught.value.code == "scope-toml"


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
@pytest.mark.parametrize("name", ["valid_from", "valid_to"])
def test_days_at_the_end_of_time(day: str, name: str) -> None:
    with pytest.raises(Violation, match=name):
        scope(**{f"authorisation__{name}": day})


@pytest.mark.parametrize("letter", ["\\u001b", "\\u009b", "\\u2028", "\\u202e", "\\u2066", "\\n"])
def test_nobody_signs_for_a_line_that_turns_itself_around(letter: str) -> None:
    with pytest.raises(Violation, match="contact"):
        scope(authorisation__contact=f'"a{letter}b"')
