"""A survey as the program makes it, in this process: scope, plan, engine and probes, register, conclusions."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from leadglass.db import migrations
from leadglass.db.sqlcipher import SealedFile
from leadglass.scan.asking import ASKS
from leadglass.scan.clocks import now
from leadglass.scan.conclusions import Network, conclude
from leadglass.scan.manner import Manner
from leadglass.scan.plan import plan
from leadglass.scan.register import Register
from leadglass.scan.scope import read_scope
from leadglass.scan.survey import Surveyor

_SCOPE = """
[authorisation]
organisation = "Tests"
authorised_by = "whoever runs them"
contact = "tests@example.org"
legal_basis = "servers of our own"
valid_from = {year}-01-01
valid_to = {year}-12-31
ranges = ["127.0.0.1"]
[targets]
hosts = {hosts}
[limits]
max_level = "{level}"
options = {options}
titles = {titles}
rate = 100000
rate_per_24 = 100000
"""


def survey(
    folder: Path,
    ports: Iterable[int],
    *,
    level: str = "count",
    options: Iterable[str] = (),
    titles: Iterable[str] = (),
) -> Network:
    """Of these ports of this machine. `folder`: for the register."""
    text = _SCOPE.format(
        year=datetime.now(UTC).year,
        hosts=json.dumps([f"127.0.0.1:{port}" for port in ports]),
        level=level,
        options=json.dumps(list(options)),
        titles=json.dumps(list(titles)),
    )
    scope = read_scope(text.encode(), now())
    planned = plan(
        scope.ranges, scope.ports, [(each.host, each.ports) for each in scope.hosts], scope.do_not_probe
    )
    migrations.upgrade(SealedFile(folder / "register.db", bytes(32)), migrations.REGISTER)
    register = Register(SealedFile(folder / "register.db", bytes(32)).open(readers=2))
    try:
        begun = register.begin(text, planned.to_json(), planned.blocks, "here", now())
        manner = Manner(
            scope.contact, scope.max_level, scope.options, scope.titles, secret=secrets.token_bytes(32)
        )
        uvloop.run(Surveyor(scope, begun, register, manner, ASKS, clock=now).run())
        return conclude(register.observations(begun.id))
    finally:
        register.close()
