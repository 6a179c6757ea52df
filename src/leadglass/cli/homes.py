"""leadglass init, serve, status, check."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadglass.cli import show
from leadglass.cli.work import HomeOption, JsonOption, Work, at_home, command_context, root_of

if TYPE_CHECKING:
    from leadglass.access.listeners import Looked
    from leadglass.archive.upkeep import Status
    from leadglass.home import Founding, Home
    from leadglass.serve import Addresses

HttpOption = Annotated[
    str | None,
    typer.Option("--http", metavar="HOST:PORT", help="Where to listen; else http.address in config.toml."),
]
DicomOption = Annotated[
    str | None,
    typer.Option(
        "--dicom",
        metavar="HOST:PORT",
        help="The receive-only DICOM listener; else dicom.receive_address in config.toml.",
    ),
]
DicomTlsOption = Annotated[
    str | None,
    typer.Option(
        "--dicom-tls",
        metavar="HOST:PORT",
        help="The DICOM listener for AEs with a certificate; else dicom.tls_address in config.toml.",
    ),
]


def init(
    home: HomeOption = None,
    recover: Annotated[
        bool, typer.Option("--recover", help="Write a lost master key file again, from the recovery key.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a home: keys, database, settings. Prints the recovery key and the set-up code, once."""
    root = root_of(home)
    if recover:
        _recover(root, json)
        return
    from leadglass.compose import found_home

    made = found_home(root, os.environ, command_context().now)
    with at_home(root) as work:
        code = work.services.accounts.create_setup_link(work.who, work.context())
        address = _address(work)
    if json:
        show.as_json(_founded(made, address, code))
    else:
        _show_founded(made, address, code)


def _founded(made: Founding, address: str, code: str) -> dict[str, Any]:
    return {
        "home": str(made.home.root),
        "id": made.home.id,
        "master_key_file": str(made.master_key_file),
        "recovery_key": made.recovery_key,
        "setup_page": f"{address}/set-up",
        "setup_code": code,
    }


def _show_founded(made: Founding, address: str, code: str) -> None:
    home = made.home.root
    show.facts((("Home", home), ("Master key", made.master_key_file)))
    show.boxed(
        "Recovery key: write it on paper now",
        (
            made.recovery_key,
            "",
            "It opens this home when the master key file is lost.",
            "It is shown this once and kept nowhere. Without the key file and",
            "without this, nobody can read what is in the home; nor can we.",
        ),
    )
    show.boxed(
        "Next",
        (
            f"1. leadglass serve --home {home}",
            f"2. Open {address}/set-up",
            "   and make the first administrator with this code, good for one day:",
            f"   {code}",
            f"3. leadglass import --home {home} PATH...",
        ),
    )


def _address(work: Work) -> str:
    from leadglass.config import listener

    door = listener(work.opened.settings.http, work.opened.home.root)
    return door.url(door.port)


def _recover(root: Path, json: bool) -> None:
    from leadglass.home import read_home, recover

    home = read_home(root)
    if sys.stdin.isatty():
        typed = typer.prompt("Recovery key", hide_input=True, err=True)
    else:
        typed = sys.stdin.readline(1024)
    path = recover(home, typed, os.environ)
    if json:
        show.as_json({"home": str(root), "master_key_file": str(path)})
    else:
        show.note(f"The master key is back at {path}. The home opens again.")


def serve(
    home: HomeOption = None,
    http: HttpOption = None,
    dicom: DicomOption = None,
    dicom_tls: DicomTlsOption = None,
) -> None:
    """Serve the portal, the viewer, DICOMweb and DICOM until Ctrl-C."""
    from leadglass import server_log
    from leadglass.config import load_settings
    from leadglass.serve import run

    overrides = listener_overrides(http, dicom, dicom_tls)
    root = root_of(home)
    server_log.set_up(load_settings(root, **overrides).log.format)
    run(root, os.environ, _say_listening, **overrides)


def _say_listening(addresses: Addresses) -> None:
    show.line(f"Leadglass at {addresses.url}   Ctrl-C stops it")
    if addresses.receive:
        show.line(f"DICOM, receive-only, at {addresses.receive}")
    if addresses.dimse:
        show.line(f"DICOM over TLS at {addresses.dimse}")


def listener_overrides(
    http: str | None, dicom: str | None, dicom_tls: str | None = None
) -> dict[str, dict[str, Any]]:
    """The options as settings; wrong use when one is no address."""
    from leadglass.config import split_address

    overrides: dict[str, dict[str, Any]] = {}
    for option, section, setting, address in (
        ("--http", "http", "address", http),
        ("--dicom", "dicom", "receive_address", dicom),
        ("--dicom-tls", "dicom", "tls_address", dicom_tls),
    ):
        if address is None:
            continue
        try:
            split_address(address)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=option) from None
        overrides.setdefault(section, {})[setting] = address
    return overrides


def status(home: HomeOption = None, json: JsonOption = False) -> None:
    """What is in the home, what it takes, and what to look after."""
    from leadglass.archive import sentences
    from leadglass.cli.backup import backup_age
    from leadglass.home import clock, is_served

    with at_home(home) as work:
        found = work.services.upkeep.status(work.who, work.context())
        here = work.opened.home
        address = _address(work)
        record_key = work.opened.record_key.encode()
        served = is_served(here)
        now = work.context().now
        warnings = [*_warnings(here, found), *sentences.troubles(found.outlook, now)]
    if json:
        about = {"home": str(here.root), "id": here.id, "address": address, "served": served}
        show.as_json(about | asdict(found) | {"record_key": record_key, "warnings": warnings})
        return
    show.facts((
        ("Home", here.root),
        ("Server", f"running at {address}" if served else "not running"),
        ("Patients", f"{found.patients:,}"),
        ("Studies", f"{found.studies:,} with {found.series:,} series and {found.instances:,} objects"),
        ("Kept aside", f"{found.kept_aside:,}"),
        ("Objects take", f"{show.size(found.object_bytes)}; {show.size(found.free_bytes)} are free"),
        ("Record", show.count(found.record_entries, "entry", "entries")),
        ("Record's key", record_key),
        ("Last back-up", backup_age(found.backup, clock())),
        *sentences.figures(found.outlook, now),
        *map(_met, found.listeners),
    ))  # fmt: skip
    for warning in warnings:
        show.note(f"! {warning}", style="yellow")


def _met(looked: Looked) -> tuple[str, str]:
    """A listener, and what a stranger met there, where and when."""
    from leadglass.archive.listeners import NAMES, sentence

    look = looked.look
    return NAMES[look.listener], f"{sentence(looked)} ({look.address}, {show.minute(look.at)} UTC)"


def _warnings(home: Home, found: Status) -> list[str]:
    from leadglass.archive.listeners import NAMES, sentence
    from leadglass.cli.backup import backup_warnings
    from leadglass.home import clock, key_beside_home

    checks = (
        (
            key_beside_home(home, os.environ),
            (
                "Master key and home are on one device: whoever takes it has both. "
                "Move the key and name it in LEADGLASS_MASTER_KEY_FILE."
            ),
        ),
        (
            not found.reserve_intact,
            "The space kept back for the record has been used: the disk was full. Free some space.",
        ),
        (found.free_bytes < 1 << 30, "Less than 1 GB is free. Ingest stops before the disk is full."),
        *((True, sentence) for sentence in backup_warnings(found.backup, clock(), found.instances)),
        (found.kept_aside > 0, "Objects were kept aside. A PACS administrator finds them in the portal."),
        *((not each.is_well, f"{NAMES[each.look.listener]}: {sentence(each)}") for each in found.listeners),
    )
    return [sentence for applies, sentence in checks if applies]
