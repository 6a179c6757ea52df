"""Tables of the access record. Rows are only ever added; retention empties `salt` and `body`, no more."""

from __future__ import annotations

import sqlalchemy as sa

from leadglass.db.engine import metadata

# SQLite takes a key for its row id only when the column is spelt INTEGER.
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

log_entries = sa.Table(
    "log_entries",
    metadata,
    sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),  # 0, 1, 2, … no gap: the leaf's index
    sa.Column("time", sa.BigInteger, nullable=False, index=True),  # ms since the epoch, UTC; as in the body
    sa.Column("opens", sa.BigInteger, unique=True),  # of a closing entry: the entry it closes, once
    sa.Column("salt", sa.LargeBinary),
    sa.Column("body", sa.LargeBinary),
    sa.Column("commitment", sa.LargeBinary, nullable=False),  # SHA-256(salt ‖ body), the leaf's data
)

# What an entry is found by, derived from its body. In the order of `seq`, so that writing appends.
log_subjects = sa.Table(
    "log_subjects",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(8), primary_key=True),  # a key of `entry.SUBJECT_KINDS`
    sa.Column("value", sa.Text, primary_key=True),
    sa.Index(None, "kind", "value", "seq"),
    sqlite_with_rowid=False,
)

log_head = sa.Table(
    "log_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("checkpoint", sa.Text, nullable=False),
)

log_key = sa.Table(
    "log_key",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),  # the Ed25519 seed under the home's keyring
    sa.Column("created", sa.BigInteger, nullable=False),
)
