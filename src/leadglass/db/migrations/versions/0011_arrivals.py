"""How much came in, by the hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_HOUR = 3_600_000  # ms


def _string(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    arrivals = op.create_table(
        "arrivals",
        sa.Column("department_id", sa.Integer, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("source", _string(64), nullable=False),
        sa.Column("modality", _string(16), nullable=False),
        sa.Column("instances", sa.BigInteger, nullable=False),
        sa.Column("studies", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("department_id", "hour", "source", "modality", name="pk_arrivals"),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name="fk_arrivals_department_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sending_days",
        sa.Column("department_id", sa.Integer, nullable=False),
        sa.Column("source", _string(64), nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("first_hour", sa.Integer, nullable=False),
        sa.Column("last_hour", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("department_id", "source", "day", name="pk_sending_days"),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name="fk_sending_days_department_id"),
        sqlite_with_rowid=False,
    )
    op.execute(sa.insert(arrivals).from_select([c.name for c in arrivals.columns], _until_now()))


def _until_now() -> sa.Select:  # type: ignore[type-arg]
    """What is here already, counted. Where it came from, nobody wrote down."""
    studies = sa.table("studies", *map(sa.column, ("id", "department_id", "received")))
    series = sa.table("series", *map(sa.column, ("id", "study_id", "modality")))
    instances = sa.table("instances", *map(sa.column, ("id", "series_id", "received", "size")))
    each = (
        sa.select(
            studies.c.department_id,
            (instances.c.received // _HOUR).label("hour"),
            series.c.modality,
            sa.literal(1).label("instances"),
            sa.literal(0).label("studies"),
            instances.c.size.label("bytes"),
        )
        .join_from(instances, series, instances.c.series_id == series.c.id)
        .join(studies, series.c.study_id == studies.c.id)
    )
    new = (
        sa.select(
            studies.c.department_id,
            (studies.c.received // _HOUR).label("hour"),
            sa.func.min(series.c.modality),
            sa.literal(0),
            sa.literal(1),
            sa.literal(0),
        )
        .join_from(studies, series, series.c.study_id == studies.c.id)
        .group_by(studies.c.id, studies.c.department_id, studies.c.received)
    )
    both = sa.union_all(each, new).subquery()
    key = (both.c.department_id, both.c.hour, both.c.modality)
    counts = (sa.func.sum(both.c[name]) for name in ("instances", "studies", "bytes"))
    return sa.select(key[0], key[1], sa.literal(""), key[2], *counts).group_by(*key)


def downgrade() -> None:
    op.drop_table("sending_days")
    op.drop_table("arrivals")
