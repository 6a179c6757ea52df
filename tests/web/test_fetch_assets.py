"""What comes from npm is the tarball we know or nothing."""

import base64
import hashlib
import importlib.util
import io
import sys
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fetch_assets.py"


@pytest.fixture
def script(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("leadglass_fetch_assets", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENDOR", tmp_path / "vendor")
    return module


@pytest.fixture
def tarball():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in (("package/dist/a.js", b"good"), ("../../evil.js", b"evil")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def npm(tmp_path, monkeypatch, tarball):
    """An npm that packs what it is told to."""
    (tmp_path / "packed.tgz").write_bytes(tarball)
    program = tmp_path / "npm"
    program.write_text(f"#!/bin/sh\ncp {tmp_path}/packed.tgz a-1.0.0.tgz\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def pinned(module, monkeypatch, content):
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    package = module.Package("a", "1.0.0", integrity, (("package/dist/a.js", "a.js"),))
    monkeypatch.setattr(module, "PACKAGES", (package,))


def test_the_wanted_file_and_no_other(script, npm, tarball, monkeypatch, tmp_path):
    pinned(script, monkeypatch, tarball)
    assert script.main() == 0
    assert (tmp_path / "vendor" / "a.js").read_bytes() == b"good"
    assert {path.name for path in (tmp_path / "vendor").iterdir()} == {"a.js", "a.version"}
    assert not list(tmp_path.rglob("evil.js"))
    (tmp_path / "packed.tgz").unlink()  # in place already: npm is not asked again
    assert script.main() == 0


def test_another_tarball_is_refused(script, npm, tarball, monkeypatch, tmp_path):
    pinned(script, monkeypatch, tarball + b"changed")
    with pytest.raises(SystemExit, match="not the tarball we know"):
        script.main()
    assert not (tmp_path / "vendor").exists()
