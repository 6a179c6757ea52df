"""The register of surveys as it began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ADDRESS = sa.String(45)


def upgrade() -> None:
    op.create_table(
        "surveys",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.BigInteger),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("method", sa.Integer, nullable=False),
        sa.Column("vantage", sa.String(100), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("blocks", sa.Integer, nullable=False),
        sa.Column("summary", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_surveys"),
    )
    op.create_table(
        "blocks",
        sa.Column("survey_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("refused", sa.Integer, nullable=False),
        sa.Column("silent", sa.Integer, nullable=False),
        sa.Column("unreachable", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name="fk_blocks_survey_id"),
        sa.PrimaryKeyConstraint("survey_id", "number", name="pk_blocks"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hosts",
        sa.Column("survey_id", sa.Integer, nullable=False),
        sa.Column("address", _ADDRESS, nullable=False),
        sa.Column("finished", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name="fk_hosts_survey_id"),
        sa.PrimaryKeyConstraint("survey_id", "address", name="pk_hosts"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "observations",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("survey_id", sa.Integer, nullable=False),
        sa.Column("address", _ADDRESS, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("probe", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("took_us", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("sent", sa.Text, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name="fk_observations_survey_id"),
        sa.PrimaryKeyConstraint("id", name="pk_observations"),
    )
    op.create_index("ix_observations_survey_id_address", "observations", ["survey_id", "address"])
    op.create_table(
        "judgements",
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("person", sa.String(100), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_judgements"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cases",
        sa.Column("address", _ADDRESS, nullable=False),
        sa.Column("port", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("check", sa.String(8), nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("person", sa.String(200), nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.PrimaryKeyConstraint("address", "port", "check", name="pk_cases"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "warnings",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("survey_id", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("contact", sa.String(200), nullable=False),
        sa.Column("way", sa.String(16), nullable=False),
        sa.Column("person", sa.String(100), nullable=False),
        sa.Column("addresses", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name="fk_warnings_survey_id"),
        sa.PrimaryKeyConstraint("id", name="pk_warnings"),
    )
    op.create_table(
        "keys",
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("seed", sa.LargeBinary(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("purpose", name="pk_keys"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for name in ("keys", "warnings", "cases", "judgements", "observations", "hosts", "blocks", "surveys"):
        op.drop_table(name)
