"""The composition root: the only place that builds objects out of a home."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadglass.access.departments import ensure_default_department
from leadglass.access.passwords import RFC_9106_SECOND, Hasher
from leadglass.access.sessions import MINUTE, SessionLimits
from leadglass.archive.accounts import Accounts
from leadglass.archive.administration import Administration
from leadglass.archive.already import Already
from leadglass.archive.arrivals import Arrivals
from leadglass.archive.aside import Aside
from leadglass.archive.backup import MAX_KEPT, Backups, HomeFiles, is_plain
from leadglass.archive.commitment import Commitments
from leadglass.archive.decisions import Decisions
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
from leadglass.archive.objects import Objects, StudyKeys
from leadglass.archive.peers import Peers
from leadglass.archive.render import Renderer
from leadglass.archive.rendering.sandbox import Sandbox
from leadglass.archive.retrieve import Retrieve
from leadglass.archive.search import Search
from leadglass.archive.services import Services
from leadglass.archive.standing import Standings
from leadglass.archive.trail import Trail
from leadglass.archive.upkeep import Upkeep
from leadglass.archive.watched import Watched
from leadglass.config import FILE_NAME, Settings, load_settings, template
from leadglass.db.engine import Database, Site, Transaction
from leadglass.db.migrations import upgrade
from leadglass.db.reserve import Reserve
from leadglass.db.sqlcipher import SealedFile
from leadglass.dicom.dataset import Limits
from leadglass.errors import Conflict, StorageFailed, Unavailable, Violation
from leadglass.home import Founding, Home, founding, open_master, read_home
from leadglass.note import VerifierKey
from leadglass.record.keys import load_signer, store_key
from leadglass.record.log import Log, read_head
from leadglass.record.published import Publisher
from leadglass.store.blobs import Blobs
from leadglass.store.files import storage_errors
from leadglass.store.keys import Keyring, new_key

if TYPE_CHECKING:
    from leadglass.access.assertions import Issuer

HASH_COST: Final = RFC_9106_SECOND
_SIGNING_KEY: Final = "record signing key"
_MIB: Final = 1 << 20


@dataclass(slots=True)
class Opened:
    """An open home. `record_key` is the public half of what signs its record."""

    home: Home
    settings: Settings
    services: Services
    publisher: Publisher
    record_key: VerifierKey
    _published: int = field(default=-1, init=False)

    def publish(self) -> None:
        """Bring the published tiles and checkpoint up to the record; cheap when nothing is new."""
        with self.services.db.read() as connection:
            head = read_head(connection)
        size = head.size if head else 0
        if size != self._published:
            self._published = self.publisher.publish(self.services.db.read)


def embedded(home: Home, keyring: Keyring) -> Site:
    """The database of a home is a sealed file in it."""
    return SealedFile(home.database, keyring.database_key)


def found_home(
    root: Path,
    environ: Mapping[str, str],
    now: int,
    *,
    site: Callable[[Home, Keyring], Site] = embedded,
) -> Founding:
    """Make a home: keys, database, settings, space kept back for the record. All of it or nothing."""
    settings = load_settings(root)
    with founding(root, environ, now) as made:
        keyring = Keyring.from_master(made.master)
        (root / FILE_NAME).write_text(template(), encoding="utf-8")
        reserve = _reserve(made.home, settings)
        reserve.ensure()
        database = site(made.home, keyring)
        upgrade(database)
        db = database.open(reserve=reserve)
        try:
            db.write(lambda tx: _furnish(tx, made.home, keyring, now)).result()
        finally:
            db.close()
    return made


@contextmanager
def open_home(
    root: Path,
    environ: Mapping[str, str],
    clock: Callable[[], int],
    site: Callable[[Home, Keyring], Site] = embedded,
    /,
    **overrides: dict[str, Any],
) -> Iterator[Opened]:
    """Open the home at `root`, and close it properly afterwards: accesses under way are put on the record as
    ended, and what was recorded is published. `overrides` are settings by section, e.g. `http={...}`.

    NotFound, HomeNewer, KeyMissing, KeyWrong, StorageFailed or Violation: then nothing was touched.
    """
    home = read_home(root)
    settings = load_settings(root, **overrides)
    keyring = Keyring.from_master(open_master(home, environ))
    with opened_with(home, settings, keyring, clock, site) as opened:
        yield opened


@contextmanager
def opened_with(
    home: Home,
    settings: Settings,
    keyring: Keyring,
    clock: Callable[[], int],
    site: Callable[[Home, Keyring], Site] = embedded,
) -> Iterator[Opened]:
    """The same for who has read the home and its keys already."""
    database = site(home, keyring)
    _require_database(home, database)
    upgrade(database)
    db = database.open(reserve=_reserve(home, settings))
    try:
        opened = _build(home, settings, keyring, db)
    except BaseException:
        db.close()
        raise
    try:
        yield opened
        opened.services.ledger.close(clock())
        with suppress(Unavailable):  # a full disk: what was done is done, and whoever comes next publishes it
            opened.publish()
    finally:
        opened.services.close(clock())


def _require_database(home: Home, database: Site) -> None:
    """A home is never without one: making it anew would show an empty archive as if that were the truth."""
    if not database.exists():
        raise StorageFailed(f"The index of the home at {home.root} is gone. Put it back from a backup.")


def _reserve(home: Home, settings: Settings) -> Reserve:
    return Reserve(home.reserve, settings.storage.reserve_mib * _MIB)


def _furnish(tx: Transaction, home: Home, keyring: Keyring, now: int) -> None:
    """What every home has from the beginning: the record's signing key and the default department."""
    store_key(tx, home.record_name, new_key(), lambda seed: keyring.wrap_secret(_SIGNING_KEY, seed), now)
    ensure_default_department(tx, now)


def _build(home: Home, settings: Settings, keyring: Keyring, db: Database) -> Opened:
    with db.read() as connection:
        signer = load_signer(
            connection, home.record_name, lambda wrapped: keyring.unwrap_secret(_SIGNING_KEY, wrapped)
        )
    services = _services(_parts(home, settings, keyring, Doorkeeper(db, Log(signer))), signer.key)
    return Opened(home, settings, services, Publisher(home.record, signer.key), signer.key)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What several services share."""

    home: Home
    settings: Settings
    keyring: Keyring
    doorkeeper: Doorkeeper
    ledger: Ledger
    blobs: Blobs
    keys: StudyKeys
    objects: Objects
    limits: Limits

    @property
    def presence(self) -> Path:
        return self.home.database.with_name("ingest.lock")

    @property
    def quarantine_source(self) -> int:
        return self.settings.limits.quarantine_source_mib * _MIB


def _parts(home: Home, settings: Settings, keyring: Keyring, doorkeeper: Doorkeeper) -> _Parts:
    blobs, keys = Blobs(home.objects, ahead=True), StudyKeys(keyring)
    objects = Objects(doorkeeper.db, blobs, keys)
    ledger = Ledger(doorkeeper)
    return _Parts(home, settings, keyring, doorkeeper, ledger, blobs, keys, objects, Limits())


def _services(parts: _Parts, verifier: VerifierKey) -> Services:
    doorkeeper, ledger, settings = parts.doorkeeper, parts.ledger, parts.settings
    sandbox, ingest = Sandbox(), _ingest(parts)
    accounts = Accounts(doorkeeper, ledger, Hasher(HASH_COST), _session_limits(settings))
    retrieve = Retrieve(doorkeeper, ledger, parts.objects, parts.limits, settings.dicom.title)
    return Services(
        db=doorkeeper.db,
        doorkeeper=doorkeeper,
        ledger=ledger,
        accounts=accounts,
        administration=Administration(doorkeeper, accounts),
        peers=Peers(doorkeeper, accounts, parts.keyring, _issuer(settings, parts.home), _require_loadable),
        listeners=Listeners(doorkeeper),
        commitments=Commitments(doorkeeper),
        migrations=Migrations(doorkeeper),
        search=Search(doorkeeper),
        retrieve=retrieve,
        export=Export(doorkeeper, retrieve, parts.limits),
        renderer=Renderer(doorkeeper, ledger, parts.objects, sandbox),
        ingest=ingest,
        deliveries=Deliveries(ingest, settings.limits.object_mib * _MIB),
        deletion=Deletion(doorkeeper, ledger, parts.keys, parts.blobs),
        watched=Watched(doorkeeper, parts.keyring.hashing_key("watched files")),
        already=Already(doorkeeper),
        trail=Trail(doorkeeper),
        inquiry=Inquiry(doorkeeper),
        identities=Identities(doorkeeper),
        arrivals=Arrivals(doorkeeper),
        aside=_aside(parts, ingest),
        exposure=Exposure(doorkeeper),
        upkeep=_upkeep(parts, verifier),
        backups=Backups(doorkeeper, _home_files(parts.home, settings, parts.keyring)),
        sandbox=sandbox,
    )


def _ingest(parts: _Parts) -> Ingest:
    return Ingest(
        parts.doorkeeper,
        parts.blobs,
        parts.keys,
        parts.presence,
        parts.limits,
        system=parts.settings.dicom.title,
        quarantine=parts.settings.limits.quarantine_mib * _MIB,
        quarantine_source=parts.quarantine_source,
    )


def _aside(parts: _Parts, ingest: Ingest) -> Aside:
    doorkeeper = parts.doorkeeper
    standings = Standings(doorkeeper.db, parts.objects, parts.keys, parts.limits, parts.keyring.uid_key)
    decisions = Decisions(ingest, standings, system=parts.settings.dicom.title)
    return Aside(doorkeeper, standings, decisions, limit=parts.quarantine_source)


def _upkeep(parts: _Parts, verifier: VerifierKey) -> Upkeep:
    certificate = parts.settings.http.tls_certificate
    return Upkeep(
        parts.doorkeeper,
        parts.blobs,
        parts.keys,
        parts.objects,
        verifier=verifier,
        tiles=parts.home.record,
        presence=parts.presence,
        limits=parts.limits,
        web_certificate=parts.home.root / certificate if certificate else None,
    )


def _home_files(home: Home, settings: Settings, keyring: Keyring) -> HomeFiles:
    """The settings, and what they name inside the home, go into a back-up as they are at that moment."""
    names = (FILE_NAME, settings.http.tls_certificate, settings.http.tls_key, settings.identity.keys)

    def kept() -> Iterator[tuple[str, bytes]]:
        for name in filter(None, dict.fromkeys(names)):
            path = home.root / name
            if is_plain(name) and path.is_file() and not path.is_symlink():
                with storage_errors("A file of the home"), path.open("rb") as file:
                    content = file.read(MAX_KEPT + 1)
                if len(content) > MAX_KEPT:
                    raise Conflict(f"{name} in the home is too large to be backed up: more than 1 MiB.")
                yield name, content

    return HomeFiles(home.root, home.id, home.text, home.database, home.objects, keyring, kept)


def _require_loadable(certificate: str) -> None:
    """Asked for seldom, and by few commands: what TLS needs is loaded then."""
    from leadglass.net.tls import require_loadable

    require_loadable(certificate)


def _issuer(settings: Settings, home: Home) -> Callable[[], Issuer | None]:
    """Whose tokens count besides our own. Violation for half an issuer."""
    asked = settings.identity
    if not asked.issuer:
        return lambda: None
    if not (asked.audience and asked.keys and asked.claim):
        raise Violation("identity.issuer needs identity.audience, keys and claim.", code="config")

    def read() -> Issuer:
        from leadglass.access.assertions import Issuer, read_keys

        try:
            keys = read_keys((home.root / asked.keys).read_bytes())
        except (OSError, Violation) as error:
            raise Unavailable("The identity provider's keys cannot be read.", code="identity-keys") from error
        return Issuer(asked.issuer, asked.audience, asked.claim, keys)

    return read


def _session_limits(settings: Settings) -> SessionLimits:
    asked = settings.sessions
    return SessionLimits(idle=asked.idle_minutes * MINUTE, absolute=asked.longest_hours * 60 * MINUTE)
