"""Users and departments as a system administrator looks after them, one by one and by number.

What it takes to add, reset and disable is `Accounts`'; here is what is changed about those who are there.
Each change is on the record in the same transaction, one entry for each thing that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from leadglass.access import departments, tokens, users
from leadglass.access.departments import Department
from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal, Role
from leadglass.access.tokens import Token
from leadglass.access.users import User
from leadglass.archive.accounts import Accounts
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.db.engine import Transaction
from leadglass.errors import NotFound

__all__ = ["Administration", "Department", "Profile", "Token", "User"]

_NOBODY = "There is no such user."
_Change = tuple[str, dict[str, str], Callable[[Transaction], None]]  # action, detail, what to do


@dataclass(frozen=True, slots=True)
class Profile:
    """One user with what an administrator may see of them. `sessions`: how many are open at most."""

    user: User
    tokens: tuple[Token, ...]
    sessions: int


class Administration:
    def __init__(self, doorkeeper: Doorkeeper, accounts: Accounts) -> None:
        self._doorkeeper = doorkeeper
        self._accounts = accounts

    def profile(self, actor: Principal, user_id: int, context: Context) -> Profile:
        """NotFound when there is no such user."""
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)
        with self._doorkeeper.db.read() as connection:
            user = users.user_by_id(connection, user_id)
            if user is None:
                raise NotFound(_NOBODY, code="no-user")
            own = [token for token in tokens.list_tokens(connection) if token.user_id == user_id]
            return Profile(user, tuple(reversed(own)), users.open_sessions(connection, user_id, context.now))

    def change(
        self,
        actor: Principal,
        user_id: int,
        context: Context,
        *,
        display_name: str,
        role: Role,
        belongs: frozenset[int],
    ) -> None:
        """Make the user so. Another role ends the sessions. Conflict for the last system administrator."""
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)

        def unit(tx: Transaction) -> None:
            user = users.user_by_id(tx, user_id)
            if user is None:
                raise NotFound(_NOBODY, code="no-user")
            for action, detail, work in _changes(tx, user, display_name, role, belongs):
                work(tx)
                self._note(tx, actor, action, context, detail={"user": user.name, **detail})

        self._doorkeeper.db.write(unit).result()

    def reset(self, actor: Principal, user_id: int, context: Context) -> str:
        """A new password, shown this once; every session of the user ends."""
        return self._accounts.reset_password(actor, self._name(user_id), context)

    def disable(self, actor: Principal, user_id: int, context: Context) -> None:
        self._accounts.disable_user(actor, self._name(user_id), context)

    def enable(self, actor: Principal, user_id: int, context: Context) -> None:
        """Sign-in works again, with the password there was. Sessions and tokens stay ended."""
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)

        def unit(tx: Transaction) -> None:
            user = users.user_by_id(tx, user_id)
            if user is None:
                raise NotFound(_NOBODY, code="no-user")
            if user.disabled is not None:
                users.enable_user(tx, user_id)
                self._note(tx, actor, "user.enable", context, detail={"user": user.name})

        self._doorkeeper.db.write(unit).result()

    def add_department(self, actor: Principal, name: str, context: Context) -> int:
        """Conflict when there is one of that name, in any letter case."""
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)

        def unit(tx: Transaction) -> int:
            made = departments.create_department(tx, name, context.now)
            self._note(
                tx,
                actor,
                "department.add",
                context,
                department=made,
                detail={"department": name.strip()[:64]},
            )
            return made

        return self._doorkeeper.db.write(unit).result()  # type: ignore[no-any-return]

    def rename_department(self, actor: Principal, department_id: int, name: str, context: Context) -> None:
        self._doorkeeper.require(actor, Action.USER_MANAGE, context)

        def unit(tx: Transaction) -> None:
            before = departments.rename_department(tx, department_id, name)
            said = {"department": name.strip()[:64], "before": before.name}
            self._note(tx, actor, "department.rename", context, department=department_id, detail=said)

        self._doorkeeper.db.write(unit).result()

    def _name(self, user_id: int) -> str:
        with self._doorkeeper.db.read() as connection:
            user = users.user_by_id(connection, user_id)
        if user is None:
            raise NotFound(_NOBODY, code="no-user")
        return user.name

    def _note(self, tx: Transaction, actor: Principal, action: str, context: Context, **said: Any) -> None:
        """`said`: `detail`, and the `department` it is about."""
        self._doorkeeper.log.append(tx, self._doorkeeper.entry(actor, action, context, **said), context.now)


def _changes(
    tx: Transaction, user: User, display_name: str, role: Role, belongs: frozenset[int]
) -> Iterator[_Change]:
    """What is to be done to make the user so, lazily: each sees what the one before did."""
    if display_name != user.display_name:
        yield "user.rename", {}, lambda tx: users.set_display_name(tx, user.id, display_name)
    if role is not user.role:
        if user.role is Role.SYSTEM_ADMINISTRATOR and user.disabled is None:
            users.require_other_administrator(tx, user.id)
        said = {"role": role.value, "before": user.role.value}
        yield "user.role", said, lambda tx: users.set_role(tx, user.id, role)
    if belongs != user.departments:
        numbers = {"departments": _listed(belongs), "before": _listed(user.departments)}
        yield "user.departments", numbers, lambda tx: users.set_departments(tx, user.id, belongs)


def _listed(numbers: frozenset[int]) -> str:
    return ",".join(map(str, sorted(numbers)))[:1024]
