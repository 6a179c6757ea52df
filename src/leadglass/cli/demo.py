"""leadglass demo: the first five minutes."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leadglass.cli import demo_old_pacs, show
from leadglass.cli.demo_old_pacs import OldPacsOption
from leadglass.cli.homes import DicomOption, HttpOption, listener_overrides
from leadglass.cli.work import HomeOption, Work, command_context, this_operator

if TYPE_CHECKING:
    from leadglass.cli.demo_old_pacs import OldPacs
    from leadglass.cli.sources import Source
    from leadglass.demo.images import Made
    from leadglass.serve import Addresses

# name, displayed as, role, what there is to see
ACCOUNTS: Final = (
    ("dr.roth", "Dr. Anna Roth", "radiologist", "study list, images"),
    ("pacsadmin", "Petra Adams", "pacs_administrator", "the same, and what was kept aside"),
    ("auditor", "Aldo Ruiz", "auditor", "the access record, no image"),
)
SCANNER: Final = "CT1"


def demo(
    home: HomeOption = None,
    http: HttpOption = None,
    dicom: DicomOption = "127.0.0.1:11112",
    old_pacs: OldPacsOption = "127.0.0.1:4242",
) -> None:
    """Made-up people, real images, three accounts, and beside them an old PACS that answers every stranger.

    Set up at the first start, served until Ctrl-C.
    """
    from leadglass import server_log
    from leadglass.compose import open_home
    from leadglass.home import FILE_NAME, clock, default_root, read_home, server_lock
    from leadglass.serve import serve

    overrides = listener_overrides(http, dicom)
    root = home.absolute() if home is not None else default_root(os.environ, "demo")
    server_log.set_up("console", quiet=True)
    with demo_old_pacs.bound(old_pacs) as listener:
        if not (root / FILE_NAME).exists():
            _found(root)
        with (
            server_lock(read_home(root)),
            open_home(root, os.environ, clock, **overrides) as opened,
            demo_old_pacs.running(listener, opened.home.created, _destinations(dicom)) as beside,
        ):
            operator = this_operator()
            work = Work(opened, operator, operator)
            _fill(work)
            _scanner(work)
            serve(opened, lambda addresses: _welcome(addresses, root, _accounts(work), beside))
    show.note("Stopped. The same command starts it again where it was.")


def _lay_down_scope(*listeners: str) -> None:
    """`leadglass scan HOST:PORT` on this demo's own listeners may count: whoever runs the demo says so."""
    from datetime import UTC, datetime, timedelta

    from leadglass.config import split_address
    from leadglass.scan_home import scopes_folder

    today = datetime.now(UTC).date()
    hosts = sorted({split_address(each)[0] for each in listeners})
    folder = scopes_folder(os.environ)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "demo.toml").write_text(
        _SCOPE.format(
            today=today,
            until=today + timedelta(days=30),
            ranges=", ".join(f'"{host}"' for host in hosts),
            hosts=", ".join(f'"{each}"' for each in listeners),
        ),
        encoding="utf-8",
    )


_SCOPE: Final = """\
# Written by `leadglass demo` for its own listeners on this machine. It may count; the scope of a network that
# somebody answers for begins with: leadglass scan init
[authorisation]
organisation = "The demo on this machine"
authorised_by = "whoever runs the demo"
contact = "whoever runs the demo"
legal_basis = "made-up patients on one's own machine"
valid_from = {today}
valid_to = {until}
ranges = [{ranges}]

[targets]
hosts = [{hosts}]

[limits]
max_level = "count"
options = ["people", "identifiers"]
rate = 1000
rate_per_24 = 1000

[reports]
tlp = "CLEAR"
"""


def _destinations(dicom: str | None) -> tuple[str, ...]:
    """Whom the old PACS could move images to: Leadglass, once it is let in there."""
    return (f"LEADGLASS@{dicom}",) if dicom and not dicom.endswith(":0") else ()


def _found(root: Path) -> None:
    from leadglass.compose import found_home

    made = found_home(root, os.environ, command_context().now)
    show.note(f"Setting up the demo's home at {root}")
    show.note(f"Master key at {made.master_key_file}")
    show.note(f"Recovery key, shown this once: {made.recovery_key}")


def _fill(work: Work) -> None:
    """Take the images in unless they all are: an interrupted set-up goes on."""
    from leadglass.cli.intake import run
    from leadglass.demo.images import expected, images

    status = work.services.upkeep.status(work.who, work.context())
    if status.instances >= expected():
        return
    total = expected() + 1
    with show.progress("Importing images") as bar:
        report = run(
            work,
            map(_source, images(work.opened.home.created)),
            None,
            lambda so_far: bar(so_far.stored + so_far.duplicates + so_far.kept_aside, total),
            source="demo",
        )
    if report.stopped:
        raise report.stopped
    if report.interrupted:
        raise KeyboardInterrupt
    for refused in report.refused:
        show.complain(f"{refused.name}: {refused.sentence}")


def _source(image: Made) -> Source:
    from leadglass.cli.sources import Source

    return Source(image.name, 0, lambda: io.BytesIO(image.file()))


def _scanner(work: Work) -> None:
    """A made-up scanner that may send, and do nothing else, from this machine."""
    from leadglass.access.plans import plan

    peers, context = work.services.peers, work.context()
    if SCANNER not in {ae.title for ae in peers.list_aes(work.who, context)}:
        peers.add(work.who, plan(f"{SCANNER}@127.0.0.1", certified=False, receive_only=True), context)


def _accounts(work: Work) -> dict[str, str]:
    """A fresh password for each account at every start: only hashes are kept, and nobody writes them down."""
    from leadglass.access.principal import Role

    accounts, context = work.services.accounts, work.context()
    known = {user.name for user in accounts.list_users(work.who, context)}
    return {
        name: accounts.reset_password(work.who, name, context)
        if name in known
        else accounts.add_user(work.who, name, Role(role), context, display_name=display)
        for name, display, role, _ in ACCOUNTS
    }


def _welcome(addresses: Addresses, root: Path, passwords: dict[str, str], beside: OldPacs) -> None:
    beside.wait_until_ready()
    _lay_down_scope(beside.address, addresses.receive)
    console = show.out()
    for line in _places(addresses, beside.address):
        console.print(line, soft_wrap=True)
    show.table(
        ("Sign in as", "Password (new at each start)", "To see"),
        [(name, passwords[name], sees) for name, _, _, sees in ACCOUNTS],
        whole=frozenset({0, 1}),
    )
    console.print("\nTry, in another terminal:\n")
    for command in _commands(addresses, root, beside.address):
        console.print(f"  {command}", soft_wrap=True)
    console.print("\nCtrl-C stops it.\n")


def _places(addresses: Addresses, old_pacs: str) -> tuple[str, ...]:
    return (
        "",
        f"Old PACS, open to anyone   dicom {old_pacs:<24}made-up patients and real images",
        f"Leadglass, same images     {addresses.url:<30}dicom {addresses.receive}",
        "",
    )


def _commands(addresses: Addresses, root: Path, old_pacs: str) -> tuple[str, ...]:
    import shlex

    from leadglass.config import split_address

    leadglass = _as_called()
    host, port = split_address(addresses.receive)
    old_host, old_port = split_address(old_pacs)
    return (
        f"{leadglass} scan {old_pacs} {addresses.receive}     # who answers strangers?",
        f"export LEADGLASS_HOME={shlex.quote(str(root))}",
        f"{leadglass} log show --patient DEMO-0007",
        f"{leadglass} log verify",
        f"{leadglass} check --deep",
        f"TOKEN=$({leadglass} token create --user dr.roth --days 1)",
        f'curl -H "Authorization: Bearer $TOKEN" "{addresses.url}/dicom-web/studies?limit=2"',
        f"storescu -aet {SCANNER} -aec LEADGLASS {host} {port} image.dcm     # DCMTK: is taken in",
        f"findscu -S -aet {SCANNER} -aec LEADGLASS -k QueryRetrieveLevel=STUDY {host} {port}   # is refused",
        f"findscu -S -k QueryRetrieveLevel=STUDY -k PatientName {old_host} {old_port}   # the old PACS tells",
    )


def _as_called() -> str:
    """What to type for this program: its name, or its path where the name means nothing."""
    import shlex
    import shutil

    found, called = shutil.which("leadglass"), Path(sys.argv[0]).absolute()
    return "leadglass" if found and Path(found).absolute() == called else shlex.quote(str(called))
