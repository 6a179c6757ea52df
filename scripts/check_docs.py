#!/usr/bin/env python3
"""What a machine can check in the documentation: links lead somewhere, modules are on the map, nothing leaks.

That every command, setting and route has its page is tested beside the code that defines them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "leadglass"
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
# Written in pieces, so that this file does not find itself.
LEAKS = re.compile(
    "|".join(("/work" + "/", "/ro" + "ot/", "pypi" + r"\.org/simple", "files" + r"\.pythonhosted"))
)


def main() -> int:
    problems = [*dead_links(), *unmapped_modules(), *unlisted_pages(), *leaks()]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"docs: {len(problems)} problems")
    return bool(problems)


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def dead_links() -> Iterator[str]:
    for page in pages():
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                yield f"{page.relative_to(ROOT)}: no {target}"


def unmapped_modules() -> Iterator[str]:
    """Every module stands in the map of the architecture, by itself or with its whole package."""
    text = (ROOT / "docs" / "design" / "architecture.md").read_text(encoding="utf-8")
    mapped = set(re.findall(r"`([\w/]+(?:/\*)?)`", text.partition("## Map")[2]))
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).with_suffix("").as_posix()
        whole = {f"{parent}/*" for parent in (p.as_posix() for p in Path(name).parents)}
        if not name.endswith("__init__") and "migrations/" not in name and not {name, *whole} & mapped:
            yield f"docs/design/architecture.md: {name} is not on the map"


def unlisted_pages() -> Iterator[str]:
    """Every page can be reached from the index."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        if name != "README.md" and f"({name})" not in index:
            yield f"docs/README.md: {name} is not listed"


def leaks() -> Iterator[str]:
    """No path of a machine, no address of a package index."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        path = ROOT / name
        if (
            path.is_file()
            and path.stat().st_size < 1 << 20
            and LEAKS.search(path.read_text(errors="replace"))
        ):
            yield f"{name}: a path of a machine, or the address of a package index"


if __name__ == "__main__":
    raise SystemExit(main())
