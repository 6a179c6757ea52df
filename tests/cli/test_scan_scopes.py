"""`leadglass scan init`, `sign`, `trust`: from the empty form to a scope that counts."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scanned import HERE, holding, hosts, listener, register, scope, standing

from leadglass.home import config_folder

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _here(place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def public(port: int, **changes: str) -> str:
    """A scope that needs a signature, with nobody in it who is not on this machine."""
    ranges = {"authorisation__ranges": '["127.0.0.0/8", "198.51.100.0/24"]'}
    return scope(targets__hosts=hosts(port), **ranges | changes)


def key() -> Path:
    return config_folder(os.environ) / "scan-authority.key"


def trusted() -> Path:
    return config_folder(os.environ) / "scan-authorities"


# --- init ----------------------------------------------------------------------------------------------------


def test_init_writes_a_form_that_has_to_be_filled_in(run: Run) -> None:
    ran = run("scan", "init")
    assert ran.code == 0
    assert "leadglass scan --scope scope.toml" in ran.err
    form = tomllib.loads(Path("scope.toml").read_text())
    assert set(form) == {"authorisation", "targets", "limits", "reports"}
    assert form["limits"]["max_level"] == "associate"
    assert run("scan", "--scope", "scope.toml").code == 1


def test_init_overwrites_nothing(run: Run) -> None:
    Path("mine.toml").write_text("precious")
    ran = run("scan", "init", "mine.toml")
    assert (ran.code, Path("mine.toml").read_text()) == (1, "precious")
    assert "nothing was changed" in ran.err


def test_the_form_filled_in_is_a_scope(run: Run) -> None:
    """As somebody would, line by line; what is sent is what the form's own defaults allow."""
    host = holding(7)
    with standing(host) as port:
        run("scan", "init")
        text = Path("scope.toml").read_text()
        for name, value in {
            "organisation": '"St. Example"',
            "authorised_by": '"Dr. Weber"',
            "contact": '"it@st.example"',
            "legal_basis": '"own networks"',
            "ranges": '["127.0.0.0/8"]',
        }.items():
            empty = "[]" if name == "ranges" else '""'
            assert f"\n{name} = {empty}" in text
            text = text.replace(f"\n{name} = {empty}", f"\n{name} = {value}", 1)
        text = text.replace("\nhosts = []", f"\nhosts = {hosts(port)}", 1)
        Path("scope.toml").write_text(text)
        ran = run("scan", "--scope", "scope.toml")
    assert "as far as associate." in ran.err
    assert "Authorised by Dr. Weber." in ran.err
    assert "LETS STRANGERS IN" in ran.out
    assert host.asked == []


# --- sign, trust ---------------------------------------------------------------------------------------------


def test_public_ranges_take_a_signature(run: Run) -> None:
    with listener() as there:
        Path("scope.toml").write_text(public(there.port))
        ran = run("scan", "--scope", "scope.toml")
        assert (ran.code, there.came()) == (1, 0)
    assert "has to be signed: leadglass scan sign scope.toml" in ran.err.replace("\n", " ")


def test_a_signed_scope_counts_until_it_is_edited(run: Run) -> None:
    host = holding(7)
    with standing(host) as port:
        Path("scope.toml").write_text(public(port))
        signed = run("scan", "sign", "scope.toml", "--name", "it.head@st.example")
        assert signed.code == 0
        assert "Your key is trusted on this machine." in signed.err
        ran = run("scan", "--scope", "scope.toml")
        assert "Signed by it.head@st.example, 2" in ran.err
        assert "ANSWERS STRANGERS" in ran.out
        came = len(host.titles)
        Path("scope.toml").write_text(public(port, limits__max_level='"count"'))
        edited = run("scan", "--scope", "scope.toml")
        assert edited.code == 1
        assert "The scope was changed after it was signed." in edited.err
        assert len(host.titles) == came
        assert run("scan", "sign", "scope.toml").code == 0
        assert "7 studies" in run("scan", "--scope", "scope.toml").out


def test_the_key_is_its_owner_s_alone(run: Run) -> None:
    Path("scope.toml").write_text(public(1))
    run("scan", "sign", "scope.toml", "--name", "me")
    assert stat.S_IMODE(key().stat().st_mode) == 0o600
    key().chmod(0o644)
    ran = run("scan", "sign", "scope.toml")
    assert ran.code == 1
    assert "Other users can read" in ran.err.replace("\n", " ")
    key().chmod(0o600)
    key().write_text("nonsense")
    assert "is no signing key" in run("scan", "sign", "scope.toml").err.replace("\n", " ")


@pytest.mark.parametrize("name", [None, "", "with space", "a+b", "x" * 101])
def test_a_first_key_needs_a_name(run: Run, name: str | None) -> None:
    Path("scope.toml").write_text(public(1))
    arguments = [] if name is None else ["--name", name]
    assert run("scan", "sign", "scope.toml", *arguments).code == 2
    assert not key().exists()


def test_nobody_signs_what_could_not_be_used(run: Run) -> None:
    Path("scope.toml").write_text(public(1, authorisation__valid_to="2020-01-01"))
    assert run("scan", "sign", "scope.toml", "--name", "me").code == 1
    assert not Path("scope.toml.sig").exists()


def test_another_s_key_has_to_be_trusted_first(run: Run, tmp_path: Path) -> None:
    """As on a second machine: the scope and its signature come along, the key does not."""
    with standing(holding(7)) as port:
        Path("scope.toml").write_text(public(port))
        other = tmp_path / "theirs.key"
        signed = run("scan", "sign", "scope.toml", "--key", other, "--name", "ciso@st.example")
        (line,) = (line for line in signed.err.splitlines() if "scan trust" in line)
        trusted().unlink()
        ran = run("scan", "--scope", "scope.toml")
        assert ran.code == 1
        assert "not signed by anybody who is trusted here" in ran.err.replace("\n", " ")
        told = line.split("scan trust ")[1].strip()
        assert "count from now on" in run("scan", "trust", told).err
        assert "is trusted already" in run("scan", "trust", told).err
        assert run("scan", "--scope", "scope.toml").code == 1
    with register() as known:
        assert len(known.surveys()) == 1


@pytest.mark.parametrize("told", ["nonsense", "", "name+00000000+AAAA"])
def test_what_is_no_key_is_not_trusted(run: Run, told: str) -> None:
    assert run("scan", "trust", told).code == 1
    assert not trusted().exists()


def test_a_signature_of_nobody(run: Run) -> None:
    with listener() as there:
        Path("scope.toml").write_text(public(there.port))
        for content in (b"", b"nonsense", b"\xff" * 100):
            Path("scope.toml.sig").write_bytes(content)
            assert run("scan", "--scope", "scope.toml").code == 1
        assert there.came() == 0


def test_private_ranges_need_none(run: Run) -> None:
    with standing(holding(7)) as port:
        Path("scope.toml").write_text(scope(targets__hosts=hosts(port)))
        ran = run("scan", "--scope", "scope.toml")
    assert "Signed" not in ran.err
    assert f":{port}  F" in ran.out
    assert HERE not in ran.out.split("Report")[0]
