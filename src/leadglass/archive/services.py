"""What the listeners and commands of one home are given: its use cases, built by the composition root."""

from __future__ import annotations

from dataclasses import dataclass

from leadglass.archive.accounts import Accounts
from leadglass.archive.administration import Administration
from leadglass.archive.already import Already
from leadglass.archive.arrivals import Arrivals
from leadglass.archive.aside import Aside
from leadglass.archive.backup import Backups
from leadglass.archive.commitment import Commitments
from leadglass.archive.deletion import Deletion
from leadglass.archive.delivery import Deliveries
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.export import Export
from leadglass.archive.exposure import Exposure
from leadglass.archive.identities import Identities
from leadglass.archive.ingest import Ingest
from leadglass.archive.inquiry import Inquiry
from leadglass.archive.ledger import Ledger
from leadglass.archive.listeners import Listeners
from leadglass.archive.migration import Migrations
from leadglass.archive.peers import Peers
from leadglass.archive.render import Renderer
from leadglass.archive.rendering.sandbox import Sandbox
from leadglass.archive.retrieve import Retrieve
from leadglass.archive.search import Search
from leadglass.archive.trail import Trail
from leadglass.archive.upkeep import Upkeep
from leadglass.archive.watched import Watched
from leadglass.db.engine import Database


@dataclass(frozen=True, slots=True)
class Services:
    db: Database
    doorkeeper: Doorkeeper
    ledger: Ledger
    accounts: Accounts
    administration: Administration
    peers: Peers
    listeners: Listeners
    commitments: Commitments
    migrations: Migrations
    search: Search
    retrieve: Retrieve
    export: Export
    renderer: Renderer
    ingest: Ingest
    watched: Watched
    deliveries: Deliveries
    deletion: Deletion
    already: Already
    trail: Trail
    inquiry: Inquiry
    aside: Aside
    identities: Identities
    arrivals: Arrivals
    exposure: Exposure
    upkeep: Upkeep
    backups: Backups
    sandbox: Sandbox

    def close(self, now: int) -> None:
        """Put the end of every open access on the record, then let go of everything."""
        self.ledger.close(now)
        self.deliveries.close()  # before what they hand their objects to
        self.ingest.close()
        self.sandbox.close()
        self.db.close()
