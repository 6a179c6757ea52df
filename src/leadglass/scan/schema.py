"""The register's tables: surveys, what they saw, and what people decided about it. A database of its own."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_ADDRESS: Final = sa.String(45)

surveys = sa.Table(
    "surveys",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("started", sa.BigInteger, nullable=False),  # ms since the epoch, UTC
    sa.Column("finished", sa.BigInteger),
    sa.Column("kind", sa.String(8), nullable=False),  # survey, or retest of a few ports
    sa.Column("method", sa.Integer, nullable=False),
    sa.Column("vantage", sa.String(100), nullable=False),  # from where it was asked
    sa.Column("scope", sa.Text, nullable=False),  # the file as it was
    sa.Column("folder", sa.Text, nullable=False),  # where it lay; the files that it names are beside it
    sa.Column("plan", sa.Text, nullable=False),  # JSON: addresses and ports once names and lists were read
    sa.Column("blocks", sa.Integer, nullable=False),
    sa.Column("summary", sa.Text),  # JSON: what it came to, for a trend over many surveys
)

# One block of the work list that is done: who did not answer is counted, not kept.
blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("survey_id", sa.Integer, sa.ForeignKey("surveys.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("silent", sa.Integer, nullable=False),
    sa.Column("unreachable", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

# One host that answered something and whose probes are done.
hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("survey_id", sa.Integer, sa.ForeignKey("surveys.id"), primary_key=True),
    sa.Column("address", _ADDRESS, primary_key=True),
    sa.Column("finished", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

observations = sa.Table(
    "observations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("survey_id", sa.Integer, sa.ForeignKey("surveys.id"), nullable=False),
    sa.Column("address", _ADDRESS, nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("probe", sa.String(32), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("took_us", sa.BigInteger, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("sent", sa.Text, nullable=False),  # JSON
    sa.Column("said", sa.Text, nullable=False),
    sa.Index("ix_observations_survey_id_address", "survey_id", "address"),
)

# What a person overruled: it stays so in later surveys, until its end.
judgements = sa.Table(
    "judgements",
    metadata,
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("person", sa.String(100), nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sqlite_with_rowid=False,
)

# What becomes of a finding: see scan.followup.
cases = sa.Table(
    "cases",
    metadata,
    sa.Column("address", _ADDRESS, primary_key=True),
    sa.Column("port", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("check", sa.String(8), primary_key=True),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("first_seen", sa.BigInteger, nullable=False),
    sa.Column("last_seen", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("person", sa.String(200), nullable=False),
    sa.Column("due", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("until", sa.BigInteger),
    sqlite_with_rowid=False,
)

# Who was told of what, when and by which way.
warnings = sa.Table(
    "warnings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("survey_id", sa.Integer, sa.ForeignKey("surveys.id"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("contact", sa.String(200), nullable=False),
    sa.Column("way", sa.String(16), nullable=False),
    sa.Column("person", sa.String(100), nullable=False),
    sa.Column("addresses", sa.Text, nullable=False),  # JSON
)

# Ed25519 seeds of this register; the database is what seals them.
keys = sa.Table(
    "keys",
    metadata,
    sa.Column("purpose", sa.String(32), primary_key=True),
    sa.Column("seed", sa.LargeBinary(32), nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
