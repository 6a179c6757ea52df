"""The tables of who may come in. No column holds a password, a token or a link in the clear."""

from __future__ import annotations

import sqlalchemy as sa

from leadglass.db.engine import Transaction, metadata

Reader = sa.Connection | Transaction  # what a read takes, so that it also serves inside a write

departments = sa.Table(
    "departments",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("created", sa.BigInteger, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),  # as `canonical_name` has it
    sa.Column("display_name", sa.String(128), nullable=False),
    sa.Column("role", sa.String(32), nullable=False),
    sa.Column("password_hash", sa.String(256)),  # argon2id; without one there is no sign-in by password
    sa.Column("disabled", sa.BigInteger),  # since when
    sa.Column("created", sa.BigInteger, nullable=False),
)

user_departments = sa.Table(
    "user_departments",
    metadata,
    sa.Column("user_id", sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("department_id", sa.ForeignKey("departments.id"), primary_key=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),  # SHA-256 of the session's token
    sa.Column("user_id", sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("last_seen", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),  # however busy it is
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),  # SHA-256 of the token
    sa.Column("user_id", sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("label", sa.String(64), nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),
    sa.Column("revoked", sa.BigInteger),  # since when
)

setup_links = sa.Table(
    "setup_links",
    metadata,
    sa.Column("digest", sa.LargeBinary(32), primary_key=True),  # SHA-256 of the code
    sa.Column("expires", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger),  # when
)

# The name is kept as a digest: people type passwords into the field for the name.
sign_in_failures = sa.Table(
    "sign_in_failures",
    metadata,
    sa.Column("name_digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False, index=True),
)

# An AE is removed, never deleted: the record refers to it. A title is free again once its AE is removed.
aes = sa.Table(
    "aes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(16), nullable=False),
    sa.Column("department_id", sa.ForeignKey("departments.id"), nullable=False),
    sa.Column("receive_only", sa.Boolean, nullable=False),
    sa.Column("addresses", sa.Text, nullable=False),  # where a receive-only AE may come from
    sa.Column("allow", sa.String(64), nullable=False),  # words of `peers.ALLOW`, by commas
    sa.Column("host", sa.String(253), nullable=False),  # where it listens itself; "" if nothing goes to it
    sa.Column("port", sa.Integer),
    sa.Column("tls", sa.Boolean, nullable=False),  # whether it speaks TLS there
    sa.Column("reason", sa.String(200), nullable=False),  # why it may do without TLS off loopback
    sa.Column("certificate", sa.Text),  # PEM
    sa.Column("fingerprint", sa.LargeBinary(32)),  # SHA-256 of its DER
    sa.Column("expires", sa.BigInteger),  # when the certificate does
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("removed", sa.BigInteger),  # since when
    sa.Index(
        "uq_aes_title",
        "title",
        unique=True,
        sqlite_where=sa.text("removed IS NULL"),
        postgresql_where=sa.text("removed IS NULL"),
    ),
)

# What a stranger met at the server's own listeners when it was last looked. One that answers is shut.
listeners = sa.Table(
    "listeners",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),  # receive, dimse or http
    sa.Column("address", sa.String(64), nullable=False),  # HOST:PORT that was asked
    sa.Column("looked", sa.BigInteger, nullable=False),
    sa.Column("met", sa.String(8), nullable=False),  # a word of `listeners.Met`
    sa.Column("saw", sa.String(64), nullable=False),  # what decided it, in a word
    sa.Column("checks", sa.String(200), nullable=False),  # numbers of findings, by spaces
    sa.Column("shut", sa.BigInteger),  # since when
)

# The archive's own certificate authority and the listener's certificate; the keys under the home's keyring.
tls_identities = sa.Table(
    "tls_identities",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),  # "authority" or "server"
    sa.Column("certificate", sa.Text, nullable=False),  # PEM
    sa.Column("wrapped", sa.LargeBinary, nullable=False),  # the private key, PKCS #8 in DER
    sa.Column("created", sa.BigInteger, nullable=False),
)
