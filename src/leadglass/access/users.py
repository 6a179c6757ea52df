"""Accounts. A user is disabled, never deleted: the record refers to users for as long as it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from leadglass.access.departments import ensure_default_department, label, list_departments
from leadglass.access.passwords import PasswordHash
from leadglass.access.principal import Kind, Principal, Role
from leadglass.access.schema import Reader, sessions, tokens, user_departments, users
from leadglass.db.engine import Transaction
from leadglass.errors import Conflict, NotFound, Violation

LONGEST_NAME = 64
_LONGEST_DISPLAY_NAME = 128
# ASCII only: no two names may look alike. What people read is the display name.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)
ASSIGNABLE_ROLES: Final = frozenset(Role) - {Role.OPERATOR, Role.APPLICATION_ENTITY}

_INSERT = users.insert().returning(users.c.id)
_INSERT_DEPARTMENT = user_departments.insert()
_BY_NAME = sa.select(users).where(users.c.name == sa.bindparam("sought"))
_BY_ID = sa.select(users).where(users.c.id == sa.bindparam("sought"))
_ALL = sa.select(users).order_by(users.c.name)
_DEPARTMENTS = sa.select(user_departments.c.department_id).where(
    user_departments.c.user_id == sa.bindparam("sought")
)
_ALL_DEPARTMENTS = sa.select(user_departments)
_DELETE_DEPARTMENTS = user_departments.delete().where(user_departments.c.user_id == sa.bindparam("sought"))
_THIS = users.update().where(users.c.id == sa.bindparam("sought"))
_SET_PASSWORD = _THIS.values(password_hash=sa.bindparam("encoded"))
_SET_ROLE = _THIS.values(role=sa.bindparam("new_role"))
_SET_DISPLAY_NAME = _THIS.values(display_name=sa.bindparam("shown"))
# One without a password cannot sign in, and so cannot put anything right.
_OTHER_ADMINISTRATOR = (
    sa.select(users.c.id)
    .where(
        users.c.role == Role.SYSTEM_ADMINISTRATOR.value,
        users.c.disabled.is_(None),
        users.c.password_hash.is_not(None),
        users.c.id != sa.bindparam("sought"),
    )
    .limit(1)
)
_OPEN_SESSIONS = sa.select(sa.func.count()).where(
    sessions.c.user_id == sa.bindparam("sought"), sessions.c.expires > sa.bindparam("at")
)
_SET_DISABLED = _THIS.values(disabled=sa.bindparam("since"))
_CLOSE_SESSIONS = sessions.delete().where(sessions.c.user_id == sa.bindparam("sought"))
_REVOKE_TOKENS = (
    tokens.update()
    .where(tokens.c.user_id == sa.bindparam("sought"), tokens.c.revoked.is_(None))
    .values(revoked=sa.bindparam("since"))
)


@dataclass(frozen=True, slots=True)
class NewUser:
    """What an account is made of. `departments` None means the default department."""

    name: str
    role: Role
    display_name: str = ""
    departments: frozenset[int] | None = None
    password_hash: PasswordHash | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str
    display_name: str
    role: Role
    departments: frozenset[int]
    disabled: int | None  # since when, ms
    created: int
    has_password: bool


def canonical_name(name: str) -> str:
    """The form a user name is kept and looked up in; Violation for what cannot be one."""
    folded = name.strip().casefold() if len(name) <= 4 * LONGEST_NAME else ""
    if len(folded) > LONGEST_NAME or not _NAME.fullmatch(folded):
        raise Violation(
            f"A user name has 1 to {LONGEST_NAME} of a-z 0-9 . _ - and begins with a letter or digit.",
            code="user-name",
        )
    return folded


def add_user(tx: Transaction, new: NewUser, now: int) -> int:
    """Returns the new id. Conflict when the name is taken."""
    name = canonical_name(new.name)
    if tx.execute(_BY_NAME, {"sought": name}).first():
        raise Conflict("There is a user of this name already.", code="user-exists")
    row = {
        "name": name,
        "display_name": _display_name(new.display_name or name),
        "role": _assignable(new.role),
        "password_hash": new.password_hash,
        "created": now,
    }
    user_id = int(tx.execute(_INSERT, row).scalar_one())
    departments = {ensure_default_department(tx, now)} if new.departments is None else new.departments
    _put_departments(tx, user_id, departments)
    return user_id


def find_user(conn: Reader, name: str) -> User | None:
    """By name in any letter case; None also for what cannot be a name."""
    try:
        row = conn.execute(_BY_NAME, {"sought": canonical_name(name)}).first()
    except Violation:
        return None
    return None if row is None else _user(row, departments_of(conn, row.id))


def user_by_id(conn: Reader, user_id: int) -> User | None:
    row = conn.execute(_BY_ID, {"sought": user_id}).first()
    return None if row is None else _user(row, departments_of(conn, user_id))


def list_users(conn: Reader) -> list[User]:
    """All of them by name, disabled ones too."""
    belongs: dict[int, set[int]] = {}
    for row in conn.execute(_ALL_DEPARTMENTS):
        belongs.setdefault(row.user_id, set()).add(row.department_id)
    return [_user(row, belongs.get(row.id, ())) for row in conn.execute(_ALL)]


def set_password(tx: Transaction, user_id: int, encoded: PasswordHash) -> None:
    """Ends the user's sessions: whoever knew the old password is out with the next request.

    Tokens live on; they are revoked singly, and no password ever made one.
    """
    _require(tx, user_id)
    tx.execute(_SET_PASSWORD, {"sought": user_id, "encoded": encoded})
    close_sessions_of(tx, user_id)


def set_role(tx: Transaction, user_id: int, role: Role) -> None:
    """Ends the user's sessions. A token follows the new role from the next request on."""
    _require(tx, user_id)
    tx.execute(_SET_ROLE, {"sought": user_id, "new_role": _assignable(role)})
    close_sessions_of(tx, user_id)


def set_display_name(tx: Transaction, user_id: int, display_name: str) -> None:
    _require(tx, user_id)
    tx.execute(_SET_DISPLAY_NAME, {"sought": user_id, "shown": _display_name(display_name)})


def require_other_administrator(tx: Transaction, user_id: int) -> None:
    """Conflict unless somebody else can sign in as a system administrator: nobody locks all of them out."""
    if tx.execute(_OTHER_ADMINISTRATOR, {"sought": user_id}).first() is None:
        raise Conflict(
            "This is the last system administrator who can sign in. Make another one first.",
            code="last-administrator",
        )


def set_departments(tx: Transaction, user_id: int, departments: frozenset[int]) -> None:
    """Effective on the next request: principals read their departments anew each time."""
    _require(tx, user_id)
    tx.execute(_DELETE_DEPARTMENTS, {"sought": user_id})
    _put_departments(tx, user_id, departments)


def disable_user(tx: Transaction, user_id: int, now: int) -> None:
    """Ends every session and revokes every token, for good: enabling the user brings none of them back."""
    _require(tx, user_id)
    tx.execute(_SET_DISABLED, {"sought": user_id, "since": now})
    tx.execute(_REVOKE_TOKENS, {"sought": user_id, "since": now})
    close_sessions_of(tx, user_id)


def enable_user(tx: Transaction, user_id: int) -> None:
    _require(tx, user_id)
    tx.execute(_SET_DISABLED, {"sought": user_id, "since": None})


def close_sessions_of(tx: Transaction, user_id: int) -> int:
    """Sign the user out everywhere. Returns how many sessions that ended."""
    return tx.execute(_CLOSE_SESSIONS, {"sought": user_id}).rowcount


def open_sessions(conn: Reader, user_id: int, now: int) -> int:
    """How many sessions have not reached their end; some of them may have been idle too long."""
    return int(conn.execute(_OPEN_SESSIONS, {"sought": user_id, "at": now}).scalar_one())


def principal_of(conn: Reader, user_id: int, credential: str) -> Principal | None:
    """The enabled user `user_id` as the holder of `credential`."""
    row = conn.execute(_BY_ID, {"sought": user_id}).first()
    if row is None or row.disabled is not None:
        return None
    return user_principal(row, departments_of(conn, user_id), credential)


def acting_as(conn: Reader, name: str, operator: Principal) -> Principal | None:
    """The user that an operator's command acts as (`--as`): their rights, under the operator's credential."""
    user = find_user(conn, name)
    return None if user is None else principal_of(conn, user.id, operator.credential)


def user_principal(row: Any, departments: Iterable[int], credential: str) -> Principal | None:
    """From a row of `users`; None when its role is not one of this version's: unknown denies."""
    if row.role not in ASSIGNABLE_ROLES:
        return None
    return Principal(
        kind=Kind.USER,
        id=row.id,
        user_id=row.id,
        name=row.name,
        display_name=row.display_name,
        role=Role(row.role),
        departments=frozenset(departments),
        credential=credential,
    )


def departments_of(conn: Reader, user_id: int) -> frozenset[int]:
    return frozenset(conn.execute(_DEPARTMENTS, {"sought": user_id}).scalars())


def _user(row: Any, departments: Iterable[int]) -> User:
    return User(
        id=row.id,
        name=row.name,
        display_name=row.display_name,
        role=Role(row.role),
        departments=frozenset(departments),
        disabled=row.disabled,
        created=row.created,
        has_password=row.password_hash is not None,
    )


def _display_name(text: str) -> str:
    try:
        return label(text, _LONGEST_DISPLAY_NAME, "user")
    except Violation as error:
        raise Violation(
            f"A name that people read has 1 to {_LONGEST_DISPLAY_NAME} characters, none of them invisible.",
            code="display-name",
        ) from error


def _require(tx: Transaction, user_id: int) -> None:
    if tx.execute(_BY_ID, {"sought": user_id}).first() is None:
        raise NotFound("There is no such user.", code="no-user")


def _assignable(role: Role) -> Role:
    if role not in ASSIGNABLE_ROLES:
        raise Violation("No user can have this role.", code="user-role")
    return Role(role)


def _put_departments(tx: Transaction, user_id: int, departments: Iterable[int]) -> None:
    chosen = set(departments)
    if not chosen <= {department.id for department in list_departments(tx)}:
        raise NotFound("There is no such department.", code="no-department")
    if chosen:
        rows = [{"user_id": user_id, "department_id": department_id} for department_id in sorted(chosen)]
        tx.execute(_INSERT_DEPARTMENT, rows)
