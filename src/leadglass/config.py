"""The settings of one home: `config.toml` in it, overridden by `LEADGLASS_<SECTION>_<NAME>`.

Few on purpose: what has one right value is no setting. A test compares docs/reference/settings.md with it.
Relative paths are relative to the home. No setting opens anything to strangers: plain HTTP stays on loopback.
"""

from __future__ import annotations

import ipaddress
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from leadglass.errors import Violation

FILE_NAME = "config.toml"
_ADDRESS = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def split_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:8080` or `[::1]:8080` as host and port (0: any free one); else ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        raise ValueError("An address is HOST:PORT, for example 127.0.0.1:8080 or [::1]:8080.")
    return match[1] or match[2], int(match[3])


def is_loopback(host: str) -> bool:
    """True for what never leaves this machine. A name other than localhost may mean anything."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_address(text: str) -> str:
    split_address(text)
    return text


def _checked_optional_address(text: str) -> str:
    return _checked_address(text) if text else text


def _checked_title(text: str) -> str:
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", text) or text != text.strip():
        raise ValueError(
            "An AE title has 1 to 16 characters, none of them a backslash or a control character."
        )
    return text


def _checked_hours(text: str) -> str:
    if text and not re.fullmatch(r"(?:[01]?\d|2[0-4])(?::[0-5]\d)?-(?:[01]?\d|2[0-4])(?::[0-5]\d)?", text):
        raise ValueError("Hours are 20-06 or 20:30-06:15, in local time.")
    return text


def _checked_url(text: str) -> str:
    parts = urlsplit(text)
    whole = parts.scheme in _DEFAULT_PORTS and parts.hostname and not (parts.path.strip("/") or parts.query)
    if text and not whole:
        raise ValueError("A public address is https://HOST or https://HOST:PORT, without a path.")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("A public address begins with https:// unless it is localhost.")
    return text.rstrip("/")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Http(_Section):
    """Where the web pages and DICOMweb answer."""

    address: Annotated[str, AfterValidator(_checked_address)] = "127.0.0.1:8080"
    """Host and port to listen on. Anything but loopback needs a certificate and a key."""

    public_url: Annotated[str, AfterValidator(_checked_url)] = ""
    """The address people type, if it is another: behind a proxy, or by name. Begins with `https://`."""

    tls_certificate: str = ""
    """PEM file with the certificate and its chain."""

    tls_key: str = ""
    """PEM file with the certificate's private key, readable by its owner only."""


class Dicom(_Section):
    """Where scanners, workstations and other archives connect. Nobody but known AEs is let in."""

    title: Annotated[str, AfterValidator(_checked_title)] = "LEADGLASS"
    """The archive's own AE title; another called AE title is rejected."""

    tls_address: Annotated[str, AfterValidator(_checked_optional_address)] = ""
    """Host and port of the listener for AEs with a certificate, for example `0.0.0.0:2762`. Empty: none."""

    tls_names: str = ""
    """Names and addresses, separated by commas, that the archive's own certificate is to carry."""

    receive_address: Annotated[str, AfterValidator(_checked_optional_address)] = ""
    """Host and port of the plaintext listener: C-ECHO and C-STORE in, nothing out. Empty: none."""

    receive_reason: str = ""
    """Why the receive-only listener has to stand off loopback; without a reason it does not."""

    processes: Annotated[int, Field(ge=1, le=2)] = 2
    """Processes that attend to DICOM connections: a second one makes use of a second processor."""

    connections: Annotated[int, Field(ge=4, le=50_000)] = 2048
    """DICOM connections at once on one listener; of more, the one that waits longest unassociated goes."""

    connections_per_address: Annotated[int, Field(ge=1, le=50_000)] = 256
    """The same for each address."""


class Identity(_Section):
    """Users for whom another system vouches: its JSON Web Token as the user identity of an association."""

    issuer: str = ""
    """The `iss` of its tokens. Empty: no other system's word counts."""

    audience: str = ""
    """The `aud` of tokens that are meant for this archive."""

    keys: str = ""
    """File with its public keys, a JWK Set. Read anew for each token."""

    claim: str = "preferred_username"
    """The claim that holds the name of a user here."""


class Limits(_Section):
    """What a peer or a file may ask of us."""

    connections: Annotated[int, Field(ge=16, le=50_000)] = 1024
    """HTTP connections at once; of more, the one that has waited longest without a request goes."""

    object_mib: Annotated[int, Field(ge=1, le=65_536)] = 4096
    """The largest single object that is taken in, in MiB."""

    quarantine_mib: Annotated[int, Field(ge=1, le=1_048_576)] = 4096
    """MiB of what came by network but could not be read or identified that are kept aside, all together."""

    quarantine_source_mib: Annotated[int, Field(ge=1, le=1_048_576)] = 1024
    """MiB of all that one source sends to one department that are kept aside, contradictions among them."""

    zip_members: Annotated[int, Field(ge=1, le=10_000_000)] = 200_000
    """Members of one zip file that an import reads."""

    zip_ratio: Annotated[int, Field(ge=2, le=1000)] = 100
    """How many times larger than its packed size a zip member may become (beyond its first 16 MiB)."""


class Sessions(_Section):
    """How long a sign-in lasts."""

    idle_minutes: Annotated[int, Field(ge=1, le=720)] = 30
    """Minutes without a request after which a session ends."""

    longest_hours: Annotated[int, Field(ge=1, le=168)] = 12
    """Hours after which a session ends, however busy it is."""


class Storage(_Section):
    """What the home keeps on its disk."""

    reserve_mib: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Space held back for the access record, in MiB: on a full disk ingest stops first and viewing last."""


class Upkeep(_Section):
    """What the server does by itself to find damage early."""

    scrub_mb_per_second: Annotated[float, Field(ge=0, le=10_000)] = 0.4
    """How fast stored objects are read again, one after the other: 0.4 is 1 TB in a month. 0: not at all."""

    scrub_hours: Annotated[str, AfterValidator(_checked_hours)] = ""
    """Only in these hours of the day, local time, for example `20-06`. Empty: always."""


class Log(_Section):
    """The server's own messages on stderr. They hold no patient's values."""

    format: Literal["console", "json"] = "console"
    """`console` for people, `json` for a log collector."""


class Settings(BaseSettings):
    """All settings of a home; immutable."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        env_prefix="LEADGLASS_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
    )

    http: Http = Http()
    dicom: Dicom = Dicom()
    identity: Identity = Identity()
    limits: Limits = Limits()
    sessions: Sessions = Sessions()
    storage: Storage = Storage()
    upkeep: Upkeep = Upkeep()
    log: Log = Log()


def sections() -> Iterator[tuple[str, str, dict[str, FieldInfo]]]:
    """(section, what it is about, its settings) of the whole model."""
    for name, section in Settings.model_fields.items():
        model = section.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        yield name, (model.__doc__ or "").strip(), model.model_fields


def template() -> str:
    """The first `config.toml` of a home: every setting with its default, commented out."""
    lines = [
        "# Settings of this home. Each is shown with its default; docs/reference/settings.md explains them.",
        "",
    ]
    for name, about, settings in sections():
        lines += [f"# {about}", f"[{name}]"]
        lines += [f"# {key} = {json.dumps(field.default)}" for key, field in settings.items()]
        lines.append("")
    return "\n".join(lines)


_PAGE = """\
# Settings

<!-- Made by `python -m leadglass.config > docs/reference/settings.md`. -->

In `config.toml` in the home; `leadglass init` writes one with every default commented out. An environment
variable goes before the file: `LEADGLASS_`, section, `_`, setting, for example `LEADGLASS_HTTP_ADDRESS`. A
command's option goes before both. An unknown setting is an error. Relative paths are relative to the home.

No setting opens anything to strangers. Plain HTTP is served on loopback only; elsewhere TLS 1.2 or later.

{tables}
## Variables that are no settings

| variable | |
|---|---|
| `LEADGLASS_HOME` | the home that commands work on without `--home` |
| `LEADGLASS_MASTER_KEY_FILE` | where the master key lies, if not in the user's configuration folder |
| `LEADGLASS_SCAN` | the folder of the scan's register, if not `leadglass/scan` in the user's data folder |
"""


def reference() -> str:
    """docs/reference/settings.md."""
    lines: list[str] = []
    for name, about, settings in sections():
        lines += [f"## [{name}]", "", about, "", "| setting | default | |", "|---|---|---|"]
        lines += [
            f"| `{key}` | `{json.dumps(field.default)}` | {field.description} |"
            for key, field in settings.items()
        ]
        lines.append("")
    return _PAGE.format(tables="\n".join(lines))


def load_settings(home: Path, **overrides: dict[str, Any]) -> Settings:
    """The settings of the home: `overrides` (a command's options) before environment before file.

    Violation in one sentence per mistake, each with the setting's name.
    """
    path = home / FILE_NAME

    class FromHome(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    try:
        return FromHome(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise Violation(_sentences(error), code="config") from None
    except (SettingsError, ValueError, OSError) as error:
        raise Violation(f"{path} cannot be read: {error}", code="config") from None


@dataclass(frozen=True, slots=True)
class Listener:
    """Where to listen and how. `certificate` and `key` are both set or both None."""

    host: str
    port: int
    certificate: Path | None
    key: Path | None
    public_url: str

    def url(self, port: int) -> str:
        """What to print once the socket listens on `port`: by name, for passkeys refuse bare addresses."""
        if self.public_url:
            return self.public_url
        host = "localhost" if is_loopback(self.host) else self.host
        return f"{'https' if self.certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def listener(http: Http, home: Path) -> Listener:
    """What `http` asks for; Violation for plain HTTP off loopback or half a certificate."""
    host, port = split_address(http.address)
    if bool(http.tls_certificate) != bool(http.tls_key):
        raise Violation("TLS needs both http.tls_certificate and http.tls_key.", code="config")
    if not http.tls_certificate and not is_loopback(host):
        raise Violation(
            f"Plain HTTP is served on loopback only, and {host} is not. Set http.tls_certificate and "
            "http.tls_key in config.toml, or listen on 127.0.0.1 behind a proxy that speaks TLS.",
            code="plain-http",
        )
    if not http.public_url and not is_loopback(host):
        raise Violation(f"Set http.public_url: people cannot type {host}.", code="config")
    if not http.tls_certificate:
        return Listener(host, port, None, None, http.public_url)
    return Listener(host, port, home / http.tls_certificate, home / http.tls_key, http.public_url)


def _sentences(error: ValidationError) -> str:
    mistakes = error.errors(include_url=False, include_input=False)
    return " ".join(f"Setting {'.'.join(map(str, each['loc']))}: {_said(each['msg'])}." for each in mistakes)


def _said(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")


if __name__ == "__main__":
    sys.stdout.write(reference())
