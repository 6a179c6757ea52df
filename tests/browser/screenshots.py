"""Every page as a picture: python tests/browser/screenshots.py OUTSIDE_THE_REPOSITORY [PAGE...]

Fills a home in a temporary folder, serves it on loopback, and takes each page at desktop and phone width,
light and dark.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import structlog
from playwright.sync_api import Browser, Page, sync_playwright

from leadglass.access.principal import Role

HERE = Path(__file__).parent
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip


def helper(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def ready(page: Page) -> None:
    """The quick look has drawn, where there is one."""
    page.wait_for_load_state("networkidle")
    if page.locator("#canvas").count():
        page.wait_for_function(
            "document.getElementById('canvas').getAttribute('aria-label').startsWith('Image')"
        )


def lung(page: Page) -> None:
    ready(page)
    page.get_by_role("button", name="Lung").click()
    for _ in range(20):
        page.keyboard.press("ArrowDown") if page.locator("#stage").evaluate(
            "e => (e.focus(), true)"
        ) else None
    page.wait_for_timeout(1500)


def hand_over(page: Page) -> None:
    page.get_by_role("radio", name="Hand over").check()
    page.get_by_label("To which department").scroll_into_view_if_needed()


def wrong(page: Page) -> None:
    page.fill("#name", "dr.roth")
    page.fill("#password", "no")
    page.click("button")


def search(page: Page, name: str) -> None:
    if not page.locator("#name").is_visible():  # folded on a phone
        page.locator(".fold > summary").first.click()
    page.fill("#name", name)
    page.get_by_role("button", name="Search").click()
    ready(page)


def pages(study: dict[str, int]) -> dict[str, tuple[Role | None, str, Any]]:
    """name: who looks, where, and what they do there."""
    doctor = Role.RADIOLOGIST
    return {
        "sign-in": (None, "/sign-in", None),
        "wrong": (None, "/sign-in", wrong),
        "set-up-done": (None, "/set-up#a-code-from-the-link", None),
        "studies": (doctor, "/studies", None),
        "found": (doctor, "/studies", lambda page: search(page, "roth")),
        "none-found": (doctor, "/studies", lambda page: search(page, "nobody")),
        "ct": (doctor, f"/studies/{study['A2601']}", ready),
        "ct-lung": (doctor, f"/studies/{study['A2601']}", lung),
        "chest": (doctor, f"/studies/{study['A2602']}", ready),
        "echo": (doctor, f"/studies/{study['A2606']}", ready),
        "long": (doctor, f"/studies/{study['A2608']}", ready),
        "absent": (doctor, "/studies/999", None),
        "denied": (doctor, "/record", None),
        "upload": (Role.TECHNOLOGIST, "/upload", None),
        "aside": (Role.PACS_ADMINISTRATOR, "/aside", None),
        "aside-one": (Role.PACS_ADMINISTRATOR, "/aside/2", None),
        "aside-other": (Role.PACS_ADMINISTRATOR, "/aside/1", None),
        "aside-hand-over": (Role.PACS_ADMINISTRATOR, "/aside/1", hand_over),
        "aside-together": (Role.PACS_ADMINISTRATOR, "/aside/together?reason=other-content", None),
        "versions": (Role.PACS_ADMINISTRATOR, "/aside/versions", None),
        "version": (Role.PACS_ADMINISTRATOR, "/aside/versions/1", None),
        "patients": (Role.PACS_ADMINISTRATOR, "/patients", None),
        "history": (Role.PACS_ADMINISTRATOR, "/patients/history", None),
        "lost": (Role.PACS_ADMINISTRATOR, "/lost", None),
        "arrivals": (Role.PACS_ADMINISTRATOR, "/arrivals", None),
        "users": (Role.SYSTEM_ADMINISTRATOR, "/users", None),
        "departments": (Role.SYSTEM_ADMINISTRATOR, "/departments", None),
        "exposure": (Role.PACS_ADMINISTRATOR, "/exposure", None),
        "record": (Role.AUDITOR, "/record", None),
        "status": (Role.SYSTEM_ADMINISTRATOR, "/status", None),
    }  # fmt: skip


def take(browser: Browser, world: Any, base: str, out: Path, wanted: set[str]) -> None:
    accessions = [f"A{2600 + number}" for number in range(1, 10)]
    chosen = pages({accession: world.study_id(accession) for accession in accessions})
    sessions = {
        role: world.services.accounts.sign_in(world_people[role], password, world.context())
        for role in Role
        if role in world_people
    }
    for name, (role, path, act) in chosen.items():
        if wanted and name not in wanted:
            continue
        for scheme in ("light", "dark"):
            for width_name, (width, height) in SIZES.items():
                phone = width_name == "phone"
                context = browser.new_context(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    has_touch=phone,
                    is_mobile=phone,
                )
                if role is not None:
                    context.add_cookies([{"name": "leadglass", "value": sessions[role], "url": base}])
                page = context.new_page()
                page.on("console", lambda message, name=name: print(name, message.text))
                page.goto(base + path)
                if act:
                    act(page)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=out / f"{name}-{width_name}-{scheme}.png", full_page=False)
                context.close()


def set_up(browser: Browser, worlds: Any, gallery: Any, out: Path) -> None:
    """The page behind the link, in a home without anybody."""
    with (
        tempfile.TemporaryDirectory() as folder,
        worlds.new_world(Path(folder)) as world,
        gallery.served(world) as base,
    ):
        for scheme in ("light", "dark"):
            for width_name, (width, height) in SIZES.items():
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto(f"{base}/set-up#nWb3-code-from-the-link")
                page.screenshot(path=out / f"set-up-{width_name}-{scheme}.png")
                page.close()


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    worlds, gallery = helper(HERE.parent / "web" / "world.py"), helper(HERE / "gallery.py")
    world_people, password = worlds.PEOPLE, worlds.PASSWORD
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder, worlds.new_world(Path(folder)) as world:
        world.people()
        gallery.fill(world, worlds.made_up)
        sys.path[:0] = [str(HERE.parent / name) for name in ("scan", "net")]
        reported = helper(HERE.parent / "scan" / "reported.py")
        with world.register() as register:
            for days in (60, 30, 0):
                at = world.clock() - days * reported.DAY - 3_600_000
                reported.fill(register, Path(folder), at)
        with gallery.served(world) as base, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            take(browser, world, base, out, set(sys.argv[2:]))
            set_up(browser, worlds, gallery, out)
            browser.close()
