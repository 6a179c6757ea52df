"""The exposure page in a real Chromium: what strangers call themselves stays text, and a port is asked again."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import reported
from observed import associate, dcmqrscp_open, echo
from playwright.sync_api import expect
from standing import standing
from strangers import Host

from leadglass.scan.casebook import Warned, Way
from leadglass.scan.constituency import Owner

pytestmark = pytest.mark.browser

HERE = "127.0.0.1"
HOUR = 3_600_000
PAYLOADS = (
    "<script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    '"><svg onload=window.owned=1>',
    "'-window.owned=1-'",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "</table></main><iframe srcdoc='<script>parent.owned=1</script>'>",
)
LONG = "Gesellschaft fuer radiologische Zusammenarbeit-" * 4


@dataclass(frozen=True)
class Surveyed:
    """`host`: a port on this machine that the survey found open, and that refuses strangers by now."""

    address: str
    session: str
    host: Host
    port: int


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory: pytest.TempPathFactory, helpers: Any) -> Iterator[Surveyed]:
    gallery = sys.modules["leadglass_tests_browser_gallery"]
    host = Host(calling=())
    with (
        helpers.new_world(tmp_path_factory.mktemp("surveyed")) as world,
        gallery.served(world) as address,
        standing(host) as port,
    ):
        world.people()
        folder = tmp_path_factory.mktemp("scopes")
        hosts = [*reported.everybody(), *_attackers(), (HERE, dcmqrscp_open(60, address=HERE, port=port))]
        owners = [
            *reported.OWNERS,
            Owner("10.1.0.8/32", LONG, contact=f"{'long' * 20}@{'st-example' * 9}.org"),
            *(Owner(f"10.1.0.{100 + n}/32", payload, contact=payload) for n, payload in enumerate(PAYLOADS)),
        ]
        with world.register() as register:
            for days in (70, 30, 0):
                at = world.clock() - days * reported.DAY - HOUR
                survey = reported.fill(register, folder, at, hosts, owners, doors=[(HERE, (port,))])
            for payload in PAYLOADS:
                told = Warned(survey.id, world.clock(), payload, payload, Way.MAIL, payload, (HERE,))
                register.casebook.warn(told)
        session = world.services.accounts.sign_in("pacsadmin", helpers.PASSWORD, world.context())
        yield Surveyed(address, session, host, port)


def _attackers() -> list[tuple[str, list[Any]]]:
    """Servers that put markup where their program's name belongs."""
    return [
        (
            f"10.1.0.{100 + n}",
            [
                associate(
                    address=f"10.1.0.{100 + n}",
                    implementation_class_uid="1.2.3",
                    implementation_version_name=payload,
                ),
                echo(address=f"10.1.0.{100 + n}"),
            ],
        )
        for n, payload in enumerate(PAYLOADS)
    ]


@pytest.fixture
def administrator(open_page: Any, surveyed: Surveyed) -> Any:
    """A function that opens the page as somebody who may see it."""

    def entered(**settings: Any) -> Any:
        page = open_page(base_url=surveyed.address, **settings)
        page.context.add_cookies([{"name": "leadglass", "value": surveyed.session, "url": surveyed.address}])
        page.goto("/exposure")
        return page

    return entered


def test_markup_in_names_of_owners_and_programs_stays_text(administrator: Any) -> None:
    page = administrator()
    shown = page.locator("main").inner_text()
    for payload in PAYLOADS:
        assert shown.count(payload) >= 5, payload  # owner, program, contact, and who was told by whom
    assert page.evaluate("window.owned") is None
    assert page.locator("main script, main img, main iframe, main svg[onload]").count() == 0
    assert page.locator("main table").count() == 3


def test_markup_that_is_let_through_would_be_seen(administrator: Any) -> None:
    """The control: what the policy forbids is counted."""
    page = administrator()
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<b onclick=\"1\">x</b>')")
    page.wait_for_function("() => window.violations.length >= 1")
    page.evaluate("window.violations = []")


def test_findings_unfold_and_charts_say_their_numbers(administrator: Any) -> None:
    page = administrator()
    row = page.get_by_role("row", name="10.1.0.7:104 Radiologie am Markt")
    expect(row.get_by_text("The archive's studies can be listed")).to_be_hidden()
    row.locator("summary").click()
    expect(row.get_by_text("The archive's studies can be listed")).to_be_visible()
    expect(page.get_by_role("img", name="Hosts that answer strangers, over time")).to_be_visible()
    widths = page.locator(".bars rect.fill").evaluate_all("all => all.map(one => one.getBBox().width)")
    assert max(widths) == 100
    expect(row.get_by_text("overdue since")).to_be_visible()


def test_a_port_is_asked_again(administrator: Any, surveyed: Surveyed) -> None:
    page = administrator()
    assert surveyed.host.titles == []
    row = page.get_by_role("row", name=f"{HERE}:{surveyed.port}")
    expect(row.get_by_text("ANSWERS STRANGERS")).to_be_visible()
    row.get_by_role("button", name="Ask again").click()
    page.wait_for_url(re.compile(r"/exposure\?again=done$"))
    expect(page.get_by_role("status")).to_have_text("The port was asked again: see what it says now.")
    expect(row.get_by_text("asked again: refuses strangers")).to_be_visible()
    expect(row.get_by_text("no open case")).to_be_visible()
    assert surveyed.host.titles


def test_an_address_that_was_not_surveyed_is_not_asked(administrator: Any, surveyed: Surveyed) -> None:
    page = administrator()
    asked = len(surveyed.host.titles)
    page.locator("form[action='/exposure/again'] input[name=port]").evaluate_all(
        "all => all.forEach(one => { one.value = '1' })"
    )
    page.get_by_role("button", name="Ask again").first.click()
    expect(page.get_by_role("status")).to_have_text("The last survey found nothing to close there.")
    assert len(surveyed.host.titles) == asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_sticks_out_and_text_has_contrast(
    administrator: Any, scheme: str, portal: Any
) -> None:
    page = administrator(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme=scheme
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        """[...document.querySelectorAll('main button')]
           .map(one => one.getBoundingClientRect().height).filter(height => height < 44)"""
    )
    assert small == []
    assert page.evaluate(portal.CONTRAST) == []
    wide = administrator(color_scheme=scheme)
    assert wide.evaluate("document.documentElement.scrollWidth") <= 1280
    assert wide.evaluate(portal.CONTRAST) == []


def test_nothing_was_surveyed_yet(signed_in: Any) -> None:
    page = signed_in("pacsadmin")
    page.goto("/exposure")
    expect(page.get_by_role("heading", name="Nothing was surveyed yet")).to_be_visible()


def test_the_page_needs_no_script(administrator: Any, surveyed: Surveyed) -> None:
    page = administrator(java_script_enabled=False)
    expect(page.get_by_text("ANSWERS STRANGERS").first).to_be_visible()
    expect(page.get_by_role("button", name="Ask again").first).to_be_enabled()
