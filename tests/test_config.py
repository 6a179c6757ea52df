"""Settings: where they come from, what they refuse, and that each has its entry in the documentation."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from leadglass import config
from leadglass.config import Http, Settings, is_loopback, listener, load_settings, split_address
from leadglass.errors import Violation

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for section, _, settings in config.sections():
        for name in settings:
            monkeypatch.delenv(f"LEADGLASS_{section}_{name}".upper(), raising=False)


def test_every_setting_has_its_entry() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == config.reference()
    for section, about, settings in config.sections():
        assert f"## [{section}]\n\n{about}" in text
        for name, field in settings.items():
            assert field.description
            assert f"| `{name}` |" in text


def test_the_template_says_what_the_defaults_are(tmp_path: Path) -> None:
    text = config.template()
    assert tomllib.loads(text) == {section: {} for section, _, _ in config.sections()}
    uncommented = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines())
    (tmp_path / "config.toml").write_text(uncommented)
    assert load_settings(tmp_path).model_dump() == Settings().model_dump()


def test_option_before_environment_before_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text('[http]\naddress = "127.0.0.1:1"\n[sessions]\nidle_minutes = 5\n')
    assert load_settings(tmp_path).http.address == "127.0.0.1:1"
    monkeypatch.setenv("LEADGLASS_HTTP_ADDRESS", "127.0.0.1:2")
    assert load_settings(tmp_path).http.address == "127.0.0.1:2"
    settings = load_settings(tmp_path, http={"address": "127.0.0.1:3"})
    assert settings.http.address == "127.0.0.1:3"
    assert settings.sessions.idle_minutes == 5


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().http.address = "0.0.0.0:80"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http]\nadress = 'x'\n", "http.adress"),
        ("[htpp]\n", "htpp"),
        ("[http]\naddress = '8080'\n", "HOST:PORT"),
        ("[http]\naddress = '127.0.0.1:99999'\n", "HOST:PORT"),
        ("[http]\npublic_url = 'http://example.org'\n", "https://"),
        ("[http]\npublic_url = 'https://example.org/path'\n", "without a path"),
        ("[http]\npublic_url = 'ftp://example.org'\n", "https://"),
        ("[limits]\nconnections = 'many'\n", "limits.connections"),
        ("[sessions]\nidle_minutes = 0\n", "sessions.idle_minutes"),
        ("[http\n", "cannot be read"),
        ("\x00", "cannot be read"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(Violation) as caught:
        load_settings(tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:8080", ("::1", 8080)), ("localhost:0", ("localhost", 0))],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":80", "host", "host:", "::1:80", "a b:80", "h:65536", "http://h:80", "h:80\n"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        split_address(text)


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("LOCALHOST", True), ("0.0.0.0", False),
        ("::", False), ("192.168.1.4", False), ("localhost.example.org", False), ("127.0.0.1.nip.io", False),
    ],
)  # fmt: skip
def test_loopback(host: str, inside: bool) -> None:
    assert is_loopback(host) is inside


def test_plain_http_stays_on_loopback(tmp_path: Path) -> None:
    assert listener(Http(), tmp_path).url(8080) == "http://localhost:8080"
    for address in ("0.0.0.0:80", "[::]:80", "example.org:80"):
        with pytest.raises(Violation) as caught:
            listener(Http(address=address), tmp_path)
        assert caught.value.code == "plain-http"


def test_tls_needs_both_files_and_a_name_that_people_type(tmp_path: Path) -> None:
    with pytest.raises(Violation, match="both"):
        listener(Http(tls_certificate="a.pem"), tmp_path)
    tls = {"tls_certificate": "a.pem", "tls_key": "/k.pem"}
    with pytest.raises(Violation, match="public_url"):
        listener(Http(address="0.0.0.0:443", **tls), tmp_path)
    door = listener(Http(address="0.0.0.0:443", public_url="https://lg.example.org/", **tls), tmp_path)
    assert (door.certificate, door.key) == (tmp_path / "a.pem", Path("/k.pem"))
    assert door.url(443) == "https://lg.example.org"
    assert listener(Http(**tls), tmp_path).url(8443) == "https://localhost:8443"
