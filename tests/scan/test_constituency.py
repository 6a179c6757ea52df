"""Whose an address is."""

from __future__ import annotations

import pytest

from leadglass.errors import Violation
from leadglass.scan.constituency import Owner, read_constituency

FILE = """cidr,organisation,country,contact
192.0.2.0/24,Provider,DE,abuse@provider.example
192.0.2.64/26,"Hospital, the",DE,it@hospital.example
2001:db8::/32,Provider,DE,abuse@provider.example
192.0.2.70/32,Ward 7,DE,ward@hospital.example
"""


def test_the_narrowest_network_says_whose_it_is() -> None:
    found = read_constituency(FILE.encode())
    assert len(found) == 4
    names = {
        address: owner.organisation if (owner := found.owner(address)) else None
        for address in (
            "192.0.2.1",
            "192.0.2.64",
            "192.0.2.70",
            "192.0.2.127",
            "192.0.2.128",
            "2001:db8::9",
            "10.0.0.1",
        )
    }
    assert list(names.values()) == [
        "Provider",
        "Hospital, the",
        "Ward 7",
        "Hospital, the",
        "Provider",
        "Provider",
        None,
    ]
    assert found.owner("192.0.2.70") == Owner(
        "192.0.2.70/32", "Ward 7", "", "DE", "", "ward@hospital.example"
    )


@pytest.mark.parametrize(
    "content",
    ["", "organisation\nx\n", "cidr,colour\n", "cidr,cidr\n", "cidr\n192.0.2.1/24\n", "cidr\n192.0.2.0/24,x\n",
     "cidr,organisation\n192.0.2.0/24,a\x1b[2J\n", "cidr,organisation\n192.0.2.0/24," + "a" * 201 + "\n",
     'cidr,organisation\n192.0.2.0/24,"' + "a" * 100_000],
)  # fmt: skip
def test_what_is_wrong_is_said(content: str) -> None:
    with pytest.raises(Violation) as caught:
        read_constituency(content.encode())
    assert caught.value.code == "constituency"
