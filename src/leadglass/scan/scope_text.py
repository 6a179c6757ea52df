"""The scopes that we write ourselves: one to fill in, and one for what stands in front of somebody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from leadglass.scan.addresses import in_order
from leadglass.scan.scope import Named


def local_scope(hosts: Iterable[Named], contact: str, now: int) -> str:
    """The text of the small scope for what stands in front of somebody: addresses that the internet does not
    reach, for one day, as far as the question whether a stranger is answered."""
    named = list(hosts)
    today = datetime.fromtimestamp(now / 1000, UTC).date()
    return _LOCAL.format(
        ranges=_list(in_order(host.host for host in named)),
        hosts=_list(text for host in named for text in _texts(host)),
        contact=contact,
        today=today,
        tomorrow=today + timedelta(days=1),
    )


def template(today: date) -> str:
    """What `leadglass scan init` writes, to be filled in."""
    return _TEMPLATE.format(today=today, until=today + timedelta(days=90))


def _list(texts: Iterable[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)


def _texts(host: Named) -> list[str]:
    return [host.host] if host.ports is None else [with_port(host.host, port) for port in host.ports]


def with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


_LOCAL: Final = """\
[authorisation]
organisation = "this machine's networks"
authorised_by = "whoever ran the command"
contact = "{contact}"
legal_basis = "addresses that the internet does not reach, named on the command line"
valid_from = {today}
valid_to = {tomorrow}
ranges = [{ranges}]

[targets]
hosts = [{hosts}]

[limits]
max_level = "query"
"""

_TEMPLATE: Final = """\
# What may be surveyed, by whose word, when, how far and how fast. Nothing outside of it is ever touched.
# Ranges that the internet reaches need a signature too: leadglass scan sign scope.toml

[authorisation]
organisation = ""               # whose networks these are
authorised_by = ""              # who says that they may be surveyed: name and office
contact = ""                    # who answers for the survey; told to every web server that is asked
legal_basis = ""                # own networks, a contract, a mandate
valid_from = {today}
valid_to = {until}
ranges = []                     # ["192.0.2.0/24", "198.51.100.10-198.51.100.20", "2001:db8::/120"]

[targets]
ranges = []                     # those of the above to go through; empty: only the hosts and lists below
hosts = []                      # ["pacs.example.org:104", "192.0.2.7"]
lists = []                      # nmap XML, masscan, zmap, one host a line, an inventory as CSV
do_not_probe = []               # devices that may fail when somebody talks to them
ports = "usual"                 # dicom, web, usual (both), wide (HL7 and databases too), or [104, 11112]

[limits]
max_level = "associate"         # associate: who takes a stranger's call. query: who answers one, shown with a
                                # question that matches nothing. count: how much, without any of it.
options = []                    # "images", "people", "identifiers", "titles", "credentials": see the docs
titles = []                     # AE titles to try, ten at most, with option "titles"
rate = 200                      # connections a second, in all
rate_per_24 = 50                # and in one /24
hours = ""                      # "20:00-06:00"; empty: at any time
time_zone = "UTC"

[reports]
tlp = "AMBER"                   # CLEAR, GREEN, AMBER, AMBER+STRICT, RED
constituency = ""               # CSV with the networks' owners and their contacts
"""
