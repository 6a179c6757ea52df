"""What C-FIND asks for beyond the first schema: SOP classes of a study, its referring physician without case,
requests and performed steps of a series, and the indexes of lists of patients.
"""

from __future__ import annotations

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LIST = (
    "study_date",
    "study_time",
    "id",
    "department_id",
    "name_key",
    "patient_id",
    "accession_number",
    "modalities",
    "description",
)
_FILL_SOP_CLASSES = """
    UPDATE studies SET sop_classes = coalesce((
        SELECT {together}(uid, '\\') FROM (
            SELECT DISTINCT instances.sop_class_uid AS uid
            FROM instances JOIN series ON instances.series_id = series.id
            WHERE series.study_id = studies.id ORDER BY uid
        ) AS classes
    ), '')
"""


def _string(length: int) -> sa.types.TypeEngine[str]:
    """Text that compares by code point everywhere."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, _string(length), server_default="", nullable=False)


def upgrade() -> None:
    op.add_column("studies", _text("sop_classes", 4096))
    op.add_column("series", _text("performed_date", 8))
    op.add_column("series", _text("performed_time", 16))
    op.add_column("studies", _text("referring_key", 400))
    together = {"sqlite": "group_concat", "postgresql": "string_agg"}[op.get_bind().dialect.name]
    op.execute(_FILL_SOP_CLASSES.format(together=together))
    _fill_referring_keys()
    op.drop_index("ix_studies_list", "studies")
    op.create_index("ix_studies_list", "studies", [*_LIST, "birth_date", "sex"])
    op.create_index("ix_studies_birth_date", "studies", ["birth_date"])
    op.create_index("ix_studies_study_id", "studies", ["study_id"])
    op.create_index("ix_studies_patient_recent", "studies", ["patient", "study_date", "study_time", "id"])
    op.drop_index("ix_studies_patient", "studies")
    op.create_table(
        "series_requests",
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False, autoincrement=False),
        _text("requested_procedure_id", 64),
        _text("scheduled_step_id", 64),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_series_requests_series_id"),
        sa.PrimaryKeyConstraint("series_id", "position", name="pk_series_requests"),
        sqlite_with_rowid=False,
    )
    for name in ("requested_procedure_id", "scheduled_step_id"):
        op.create_index(f"ix_series_requests_{name}", "series_requests", [name])


def _fill_referring_keys() -> None:
    connection = op.get_bind()
    found = sa.text("SELECT id, referring_physician FROM studies WHERE referring_physician <> ''")
    keys = [{"id": row[0], "key": _name_key(row[1])} for row in connection.execute(found)]
    if keys:
        connection.execute(sa.text("UPDATE studies SET referring_key = :key WHERE id = :id"), keys)


def _name_key(name: str) -> str:
    """As names are folded at this revision: without case, accents, full-width forms and empty components."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    bare = "".join(c for c in apart if not unicodedata.combining(c) or unicodedata.combining(c) == 8)
    folded = " ".join(unicodedata.normalize("NFC", bare).casefold().split())
    return "=".join(re.sub(r"[\^ ]+$", "", group) for group in folded.split("=")).rstrip("=")


def downgrade() -> None:
    op.drop_table("series_requests")
    op.create_index("ix_studies_patient", "studies", ["patient"])
    for name in ("patient_recent", "study_id", "birth_date", "list"):
        op.drop_index(f"ix_studies_{name}", "studies")
    op.create_index("ix_studies_list", "studies", list(_LIST))
    op.drop_column("series", "performed_time")
    op.drop_column("series", "performed_date")
    op.drop_column("studies", "referring_key")
    op.drop_column("studies", "sop_classes")
