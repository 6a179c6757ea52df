"""Departments: the groups that studies and their readers belong to."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import sqlalchemy as sa

from leadglass.access.schema import Reader, departments
from leadglass.db.engine import Transaction
from leadglass.errors import Conflict, NotFound, Violation

DEFAULT_NAME = "default"
_LONGEST_NAME = 64
# Control, format (U+202E among them), surrogate, private use, unassigned; line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_INSERT = departments.insert().returning(departments.c.id)
_RENAME = (
    departments.update()
    .where(departments.c.id == sa.bindparam("sought"))
    .values(name=sa.bindparam("new_name"))
)
_ALL = sa.select(departments.c.id, departments.c.name).order_by(departments.c.id)


@dataclass(frozen=True, slots=True)
class Department:
    id: int
    name: str


def ensure_default_department(tx: Transaction, now: int) -> int:
    """The department of whatever names none; made on the first call. Returns its id."""
    known = find_department(tx, DEFAULT_NAME)
    return known.id if known else create_department(tx, DEFAULT_NAME, now)


def create_department(tx: Transaction, name: str, now: int) -> int:
    """Returns the new id; Conflict when the name is taken, whatever its letter case."""
    name = label(name, _LONGEST_NAME, "department")
    if find_department(tx, name):
        raise Conflict("There is a department of this name already.", code="department-exists")
    return int(tx.execute(_INSERT, {"name": name, "created": now}).scalar_one())


def rename_department(tx: Transaction, department_id: int, name: str) -> Department:
    """Returns it as it was. Conflict when the name is another one's, or it is the default department, which
    is found by its name; NotFound when there is none."""
    known = next((found for found in list_departments(tx) if found.id == department_id), None)
    if known is None:
        raise NotFound("There is no such department.", code="no-department")
    name = label(name, _LONGEST_NAME, "department")
    if known.name == DEFAULT_NAME:
        raise Conflict("The default department keeps its name.", code="department-default")
    other = find_department(tx, name)
    if other is not None and other.id != department_id:
        raise Conflict("There is a department of this name already.", code="department-exists")
    tx.execute(_RENAME, {"sought": department_id, "new_name": name})
    return known


def list_departments(conn: Reader) -> list[Department]:
    """All of them, the oldest first."""
    return [Department(row.id, row.name) for row in conn.execute(_ALL)]


def find_department(conn: Reader, name: str) -> Department | None:
    """By name, in any letter case. There are a handful: SQL's idea of letter case is not needed."""
    sought = unicodedata.normalize("NFC", name.strip()).casefold()
    return next((found for found in list_departments(conn) if found.name.casefold() == sought), None)


def label(text: str, longest: int, what: str) -> str:
    """A name that people read: NFC, on one line, nothing invisible or reordering in it; or Violation."""
    text = unicodedata.normalize("NFC", text.strip()) if len(text) <= 4 * longest else text
    if not 0 < len(text) <= longest:
        raise Violation(f"The name of a {what} has 1 to {longest} characters.", code=f"{what}-name")
    if any(unicodedata.category(character) in _UNSEEN for character in text):
        raise Violation(f"The name of a {what} holds a character that cannot be seen.", code=f"{what}-name")
    return text
