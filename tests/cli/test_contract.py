"""The command line is a contract: what scripts rely on exists, and every part of it is documented."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer.main

from leadglass.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "commands.md"
CALLING = {"--calling", "--tls", "--certificate", "--key", "--ca", "--plaintext"}
PROMISED = {
    "demo": {"--home", "--http", "--old-pacs"},
    "init": {"--home", "--recover", "--json"},
    "serve": {"--home", "--http"},
    "import": {"--watch", "--home", "--department", "--as", "--json"},
    "user add": {"--role", "--department", "--password-stdin", "--home", "--json"},
    "user list": {"--home", "--json"},
    "user disable": {"--home", "--json"},
    "user reset": {"--password-stdin", "--home", "--json"},
    "token create": {"--user", "--days", "--home", "--json"},
    "token list": {"--home", "--json"},
    "token revoke": {"--home", "--json"},
    "ae add": {
        "--receive-only",
        "--issue-certificate",
        "--certificate",
        "--allow",
        "--department",
        "--reason",
        "--home",
        "--as",
        "--json",
    },
    "ae list": {"--home", "--json"},
    "ae renew": {"--issue-certificate", "--certificate", "--home", "--json"},
    "ae remove": {"--home", "--json"},
    "ae authority": {"--home", "--json"},
    "export": {"--all", "--home", "--as", "--json"},
    "patient list-duplicates": {"--home", "--as", "--json"},
    "patient merge": {"--issuer", "--into-issuer", "--reason", "--yes", "--home", "--as", "--json"},
    "patient correct": {"--study", "--name", "--birth-date", "--sex", "--new-id", "--new-issuer", "--reason"},
    "patient move-study": {"--into-issuer", "--reason", "--yes", "--home", "--as", "--json"},
    "patient undo": {"--reason", "--yes", "--home", "--as", "--json"},
    "patient history": {"--issuer", "--home", "--as", "--json"},
    "aside list": {"--reason", "--source", "--home", "--as", "--json"},
    "aside show": {"--home", "--as", "--json"},
    "aside accept": {"--why", "--all", "--reason", "--source", "--seen", "--home", "--as", "--json"},
    "aside store": {"--why", "--all", "--reason", "--source", "--seen", "--home", "--as", "--json"},
    "aside hand-over": {
        *("--to", "--why", "--all", "--reason", "--source", "--seen", "--home", "--as", "--json"),
    },
    "aside reject": {"--why", "--all", "--reason", "--source", "--seen", "--home", "--as", "--json"},
    "aside versions": {"--home", "--as", "--json"},
    "aside put-back": {"--why", "--home", "--as", "--json"},
    "echo": {*CALLING, "--home", "--json"},
    "find": {*CALLING, "--level", "--patient", "--limit", "--home", "--json"},
    "retrieve": {*CALLING, "--study", "--move", "--rate", "--department", "--home", "--as", "--json"},
    "send": {*CALLING, "--study", "--home", "--as", "--json"},
    "store": {*CALLING, "--study", "--home", "--as", "--json"},
    "migrate": {*CALLING, "--rate", "--hours", "--cap", "--department", "--home", "--as", "--json"},
    "connect": {"--listen", "--certificate", "--key", "--ca"},
    "scan run": {"--scope", "--verify", "--vantage", "--anew", "--out", "--json"},
    "scan init": set(),
    "scan sign": {"--name", "--key"},
    "scan trust": set(),
    "scan show": {"--survey", "--out", "--format"},
    "scan surveys": {"--json"},
    "scan evidence": {"--survey", "--out"},
    "scan cases": {"--all", "--json"},
    "scan case": {"--check", "--state", "--reason", "--until", "--person", "--due"},
    "scan warn": {"--way", "--owner", "--language", "--survey", "--out"},
    "scan warnings": {"--json"},
    "scan overrule": {"--reason", "--until", "--json"},
    "scan closed": {"--key", "--json"},
    "scan watch": {"--scope", "--every", "--times", "--vantage", "--out", "--json"},
    "scan list": {"--constituency", "--json"},
    "scan inside": {"--json"},
    "delete": {"--reason", "--series", "--instance", "--yes", "--home", "--as", "--json"},
    "status": {"--home", "--json"},
    "backup": {
        "--keep",
        "--list",
        "--verify",
        "--drill",
        "--scratch",
        "--generation",
        "--home",
        "--as",
        "--json",
    },
    "restore": {"--generation", "--checkpoint", "--home", "--json"},
    "check": {"--deep", "--repair", "--collect-orphans", "--home", "--json"},
    "log show": {"--patient", "--home", "--json"},
    "log verify": {"--home", "--json"},
    "log export": {"--home"},
}


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


def options(command: Any) -> set[str]:
    return {name for each in command.params for name in each.opts if name.startswith("--")}


def test_what_is_promised_is_there() -> None:
    assert set(PROMISED) == set(COMMANDS)
    for name, wanted in PROMISED.items():
        assert wanted <= options(COMMANDS[name]), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^## leadglass {name}(?= |$)", text, re.MULTILINE)
    assert found is not None
    section = text[found.start() :].partition("\n## ")[0]
    for option in options(COMMANDS[name]):
        assert option in section, option


def test_nothing_is_documented_that_is_not_there() -> None:
    titles = [
        line[3:] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## leadglass ")
    ]
    documented = {" ".join(takewhile(str.islower, title.split()[1:])) for title in titles}
    assert documented == set(COMMANDS)


def shown() -> Iterator[tuple[str, str]]:
    """Commands as pages show them: indented, a backslash at the end for more of it."""
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^    (?:\$ )?(leadglass .+)$", text, re.MULTILINE):
            yield page.name, line.partition("  #")[0]


def test_what_pages_show_exists() -> None:
    lines = list(shown())
    assert len(lines) > 50
    for page, line in lines:
        words = line.split()[1:]
        spelled = (" ".join(words[:2]), words[0], f"{words[0]} run")  # `scan HOST` is `scan run HOST`
        name = next((name for name in spelled if name in COMMANDS), None)
        assert name is not None, f"{page}: {line}"
        asked = {word for word in words if word.startswith("--")}
        assert asked <= options(COMMANDS[name]), f"{page}: {line}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(name: str) -> None:
    assert COMMANDS[name].help
    for parameter in COMMANDS[name].params:
        assert parameter.help, parameter.name


@pytest.mark.parametrize("arguments", [("nonsense",), ("import",), ("user", "add"), ("check", "--deeply")])
def test_wrong_use_is_status_2(run: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == 2


def test_wrong_values_are_wrong_use(run: Callable[..., Any], home: object) -> None:
    for arguments in (
        ("serve", "--http", "8080"),
        ("log", "show", "--since", "yesterday"),
        ("log", "show", "--user", "nobody.at.all"),
        ("log", "verify", "--file", "x"),
        ("user", "add", "x", "--role", "operator"),
        ("token", "create", "--user", "x", "--days", "0"),
        ("ae", "add", "SEVENTEEN_LETTERS", "--receive-only"),
        ("ae", "add", "WS1"),
        ("ae", "renew", "WS1"),
    ):
        assert run(*arguments).code == 2, arguments


def test_help_needs_none_of_the_heavy_libraries() -> None:
    program = (
        "import sys; from leadglass.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'pydicom', 'sqlalchemy', 'starlette', 'uvicorn', 'cryptography', 'pydantic'}\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & heavy), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"


def test_the_version(run: Callable[..., Any]) -> None:
    from leadglass import __version__

    assert run("--version").out == f"leadglass {__version__}\n"
