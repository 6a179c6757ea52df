"""Signing in and out, and the accounts themselves; each change with its entry in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from leadglass.access import departments, identity, passwords, sessions, setup, tokens, users
from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal, Role
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.ledger import Ledger
from leadglass.db.engine import Transaction
from leadglass.errors import Denied, NotFound, Unavailable
from leadglass.record.log import Entry

T = TypeVar("T")

DAY = 24 * 60 * 60_000


class Accounts:
    def __init__(
        self,
        doorkeeper: Doorkeeper,
        ledger: Ledger,
        hasher: passwords.Hasher,
        limits: sessions.SessionLimits = sessions.DEFAULT_LIMITS,
    ) -> None:
        self._doorkeeper = doorkeeper
        self._ledger = ledger
        self._hasher = hasher
        self._limits = limits

    # Who is it?

    def sign_in(self, name: str, password: str, context: Context, *, replacing: str = "") -> str | None:
        """The new session's token; None for wrong, unknown, disabled and paused alike."""

        def record(tx: Transaction, outcome: identity.Outcome) -> None:
            self._doorkeeper.log.append(tx, _sign_in_entry(outcome, context), context.now)

        return identity.sign_in(
            self._doorkeeper.db,
            self._hasher,
            name,
            password,
            now=context.now,
            record=record,
            replacing=replacing,
            limits=self._limits,
        )

    def sign_out(self, who: Principal, token: str, context: Context) -> None:
        entry = self._doorkeeper.entry(who, "session.close", context)
        self._write(entry, context, lambda tx: sessions.close_session(tx, token))
        self._ledger.close_of(who.credential, context.now)

    def resolve_session(self, token: str, now: int) -> Principal | None:
        with self._doorkeeper.db.read() as connection:
            session = sessions.find_session(connection, token, now, self._limits)
        if session is None:
            return None
        if session.touch_due:
            try:
                self._doorkeeper.db.write(lambda tx: sessions.touch_session(tx, token, now)).result()
            except Unavailable:
                return session.principal  # a session that was not prolonged ends sooner, which is safe
        return session.principal

    def resolve_token(self, secret: str, now: int) -> Principal | None:
        with self._doorkeeper.db.read() as connection:
            return tokens.resolve_token(connection, secret, now)

    def acting_as(self, operator: Principal, name: str) -> Principal:
        """The user an operator's command acts as (`--as`)."""
        with self._doorkeeper.db.read() as connection:
            found = users.acting_as(connection, name, operator)
        if found is None:
            raise NotFound("There is no such user, or the account is disabled.")
        return found

    # The first system administrator

    def setup_open(self, now: int) -> bool:
        """True while a set-up link waits to be used."""
        with self._doorkeeper.db.read() as connection:
            return setup.is_link_outstanding(connection, now)

    def create_setup_link(self, actor: Principal, context: Context) -> str:
        """The one-time code for the set-up page, shown once."""
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)
        entry = self._doorkeeper.entry(actor, "setup.offer", context)
        return self._write(entry, context, lambda tx: setup.create_setup_link(tx, context.now))

    def setup(self, code: str, name: str, password: str, context: Context) -> str:
        """Make the first system administrator and sign them in: the session's token. Denied: a bad code."""
        with self._doorkeeper.db.read() as connection:
            if not setup.is_setup_code(connection, code, context.now):  # before the cost of a hash
                raise Denied("This set-up link is not, or no longer, good.", code="setup-link")
        new = users.NewUser(
            name,
            Role.SYSTEM_ADMINISTRATOR,
            password_hash=passwords.new_password_hash(self._hasher, password, name),
        )

        def unit(tx: Transaction) -> str:
            user_id = setup.redeem_setup(tx, code, new, context.now)
            entry = Entry(
                actor=f"user:{user_id}",
                actor_name=name,
                role=Role.SYSTEM_ADMINISTRATOR.value,
                action="setup.redeem",
                address=context.address,
                via=context.via.value,
            )
            self._doorkeeper.log.append(tx, entry, context.now)
            return sessions.open_session(tx, user_id, context.now, limits=self._limits)

        return self._doorkeeper.db.write(unit).result()  # type: ignore[no-any-return]

    # Users, tokens, departments

    def add_user(
        self,
        actor: Principal,
        name: str,
        role: Role,
        context: Context,
        *,
        department: str | None = None,
        display_name: str = "",
        password: str | None = None,
    ) -> str:
        """Returns the password: the given one, or one generated when there is none."""
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)
        password = password or passwords.generate_password()
        encoded = passwords.new_password_hash(self._hasher, password, name)
        entry = self._doorkeeper.entry(
            actor, "user.add", context, detail={"user": name[:64], "role": role.value}
        )

        def unit(tx: Transaction) -> None:
            belongs = None
            if department is not None:
                belongs = frozenset({self.department_in(tx, department, actor, context)})
            users.add_user(tx, users.NewUser(name, role, display_name, belongs, encoded), context.now)

        self._write(entry, context, unit)
        return password

    def reset_password(
        self, actor: Principal, name: str, context: Context, *, password: str | None = None
    ) -> str:
        """A new password; every session of the user ends."""
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)
        user = self._user(name)
        password = password or passwords.generate_password()
        encoded = passwords.new_password_hash(self._hasher, password, name)
        entry = self._doorkeeper.entry(actor, "user.reset", context, detail={"user": user.name})
        self._write(entry, context, lambda tx: users.set_password(tx, user.id, encoded))
        return password

    def disable_user(self, actor: Principal, name: str, context: Context) -> None:
        """The account, its sessions and its tokens end with the next request. Conflict for the last system
        administrator."""
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)
        user = self._user(name)
        entry = self._doorkeeper.entry(actor, "user.disable", context, detail={"user": user.name})

        def unit(tx: Transaction) -> None:
            if user.role is Role.SYSTEM_ADMINISTRATOR:
                users.require_other_administrator(tx, user.id)
            users.disable_user(tx, user.id, context.now)

        self._write(entry, context, unit)

    def list_users(self, actor: Principal, context: Context) -> list[users.User]:
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)
        with self._doorkeeper.db.read() as connection:
            return users.list_users(connection)

    def create_token(
        self, actor: Principal, user_name: str, context: Context, *, days: int = 90, label: str = "token"
    ) -> str:
        """The token's secret, shown once."""
        self._doorkeeper.require(actor, Action.TOKEN_CREATE, context)
        user = self._user(user_name)
        entry = self._doorkeeper.entry(
            actor, "token.create", context, detail={"user": user.name, "days": days}
        )
        return self._write(
            entry,
            context,
            lambda tx: tokens.create_token(tx, user.id, context.now, label=label, lifetime=days * DAY).secret,
        )

    def list_tokens(self, actor: Principal, context: Context) -> list[tokens.Token]:
        self._doorkeeper.require(actor, Action.TOKEN_CREATE, context)
        with self._doorkeeper.db.read() as connection:
            return tokens.list_tokens(connection)

    def revoke_token(self, actor: Principal, token_id: int, context: Context) -> bool:
        """True when there was one to revoke."""
        self._doorkeeper.require(actor, Action.TOKEN_CREATE, context)
        entry = self._doorkeeper.entry(actor, "token.revoke", context, detail={"token": token_id})
        return self._write(entry, context, lambda tx: tokens.revoke_token(tx, token_id, context.now))

    def departments(self) -> list[departments.Department]:
        with self._doorkeeper.db.read() as connection:
            return departments.list_departments(connection)

    def department(self, actor: Principal, name: str | None, context: Context) -> int:
        """The department of that name, made if need be by who may; the default one without a name."""
        with self._doorkeeper.db.read() as connection:
            known = departments.find_department(connection, name) if name is not None else None
        if known is not None:
            return known.id
        if name is not None:
            self._doorkeeper.require(actor, Action.USER_MANAGE, context)
        return self._doorkeeper.db.write(  # type: ignore[no-any-return]
            lambda tx: self.department_in(tx, name, actor, context)
        ).result()

    def sweep(self, now: int) -> None:
        """Forget sessions that have ended."""
        self._doorkeeper.db.write(lambda tx: sessions.sweep_sessions(tx, now, self._limits)).result()

    def department_in(self, tx: Transaction, name: str | None, actor: Principal, context: Context) -> int:
        """The department of that name, or a new one, which is on the record."""
        if name is None:
            return departments.ensure_default_department(tx, context.now)
        if known := departments.find_department(tx.connection, name):
            return known.id
        made = departments.create_department(tx, name, context.now)
        entry = self._doorkeeper.entry(
            actor, "department.add", context, department=made, detail={"department": name.strip()[:64]}
        )
        self._doorkeeper.log.append(tx, entry, context.now)
        return made

    def _user(self, name: str) -> users.User:
        with self._doorkeeper.db.read() as connection:
            user = users.find_user(connection, name)
        if user is None:
            raise NotFound("There is no user of that name.")
        return user

    def _write(self, entry: Entry, context: Context, change: Callable[[Transaction], T]) -> T:
        def unit(tx: Transaction) -> T:
            result = change(tx)
            self._doorkeeper.log.append(tx, entry, context.now)
            return result

        return self._doorkeeper.db.write(unit).result()  # type: ignore[no-any-return]


def _sign_in_entry(outcome: identity.Outcome, context: Context) -> Entry:
    """A name that is nobody's may be a password typed into the wrong field: it is not recorded."""
    who = outcome.principal
    return Entry(
        actor=f"user:{outcome.user_id}" if outcome.user_id is not None else "nobody",
        actor_name=who.name if who else "",
        role=who.role.value if who else "",
        action="session.open",
        outcome="allowed" if who else "denied",
        reason=outcome.standing.value,
        address=context.address,
        via=context.via.value,
    )
