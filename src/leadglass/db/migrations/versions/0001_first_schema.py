"""The first schema: access, index, store and record.

Written out and never changed once released; a test compares the result with the tables that the packages
define.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _users()
    _credentials()
    _studies()
    _objects()
    _store()
    _record()


def downgrade() -> None:
    op.drop_table("instances")
    op.drop_table("study_words")
    op.drop_table("study_modalities")
    op.drop_table("study_keys")
    op.drop_table("series")
    op.drop_table("kept_aside")
    op.drop_table("user_departments")
    op.drop_table("tokens")
    op.drop_table("studies")
    op.drop_table("sessions")
    op.drop_table("users")
    op.drop_table("sign_in_failures")
    op.drop_table("setup_links")
    op.drop_table("patients")
    op.drop_table("log_subjects")
    op.drop_table("log_key")
    op.drop_table("log_head")
    op.drop_table("log_entries")
    op.drop_table("departments")


def _string(length: int) -> sa.types.TypeEngine[str]:
    """Text that compares by code point everywhere."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, _string(length), server_default="", nullable=False)


def _users() -> None:
    op.create_table(
        "departments",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_departments"),
        sa.UniqueConstraint("name", name="uq_departments_name"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("display_name", sa.String(128), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("password_hash", sa.String(256)),
        sa.Column("disabled", sa.BigInteger),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
    )
    op.create_table(
        "user_departments",
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("department_id", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name="fk_user_departments_department_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_departments_user_id"),
        sa.PrimaryKeyConstraint("user_id", "department_id", name="pk_user_departments"),
    )


def _credentials() -> None:
    op.create_table(
        "setup_links",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("used", sa.BigInteger),
        sa.PrimaryKeyConstraint("digest", name="pk_setup_links"),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("name_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name_digest", name="pk_sign_in_failures"),
    )
    op.create_index("ix_sign_in_failures_last", "sign_in_failures", ["last"])
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("revoked", sa.BigInteger),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tokens_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"])


def _studies() -> None:
    op.create_table(
        "patients",
        sa.Column("id", sa.Integer, nullable=False),
        _text("issuer", 64),
        _text("patient_id", 64),
        _text("anchor", 64),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patients"),
        sa.UniqueConstraint("patient_id", "issuer", "anchor", name="uq_patients_patient_id_issuer_anchor"),
    )
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("study_instance_uid", _string(64), nullable=False),
        sa.Column("patient", sa.Integer, nullable=False),
        sa.Column("department_id", sa.Integer, nullable=False),
        _text("patient_name", 400),
        _text("name_key", 400),
        _text("patient_id", 64),
        _text("issuer", 64),
        _text("birth_date", 8),
        _text("sex", 16),
        _text("study_date", 8),
        _text("study_time", 16),
        _text("accession_number", 64),
        _text("study_id", 64),
        _text("description", 256),
        _text("referring_physician", 400),
        _text("modalities", 256),
        sa.Column("series_count", sa.Integer, server_default="0", nullable=False),
        sa.Column("instance_count", sa.Integer, server_default="0", nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name="fk_studies_department_id"),
        sa.ForeignKeyConstraint(["patient"], ["patients.id"], name="fk_studies_patient"),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("study_instance_uid", name="uq_studies_study_instance_uid"),
    )
    op.create_index("ix_studies_accession_number", "studies", ["accession_number"])
    op.create_index(
        "ix_studies_department_recent", "studies", ["department_id", "study_date", "study_time", "id"]
    )
    op.create_index(
        "ix_studies_list",
        "studies",
        [
            "study_date",
            "study_time",
            "id",
            "department_id",
            "name_key",
            "patient_id",
            "accession_number",
            "modalities",
            "description",
        ],
    )
    op.create_index("ix_studies_name_key", "studies", ["name_key"])
    op.create_index("ix_studies_patient", "studies", ["patient"])
    op.create_index("ix_studies_patient_id", "studies", ["patient_id"])
    op.create_index(
        "ix_studies_recent", "studies", ["study_date", "study_time", "id", "department_id", "modalities"]
    )
    op.create_table(
        "study_modalities",
        sa.Column("modality", _string(16), nullable=False),
        sa.Column("study_date", _string(8), nullable=False),
        sa.Column("study_time", _string(16), nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_modalities_study_id"),
        sa.PrimaryKeyConstraint(
            "modality", "study_date", "study_time", "study_id", name="pk_study_modalities"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_study_modalities_study_id", "study_modalities", ["study_id"])
    op.create_table(
        "study_words",
        sa.Column("word", _string(64), nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_words_study_id"),
        sa.PrimaryKeyConstraint("word", "study_id", name="pk_study_words"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_study_words_study_id", "study_words", ["study_id"])


def _objects() -> None:
    op.create_table(
        "kept_aside",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        sa.Column("department_id", sa.Integer, nullable=False),
        sa.Column("sop_instance_uid", _string(64), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("blob", sa.String(32), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("transfer_syntax_uid", _string(64), nullable=False),
        sa.ForeignKeyConstraint(["department_id"], ["departments.id"], name="fk_kept_aside_department_id"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_kept_aside_study_id"),
        sa.PrimaryKeyConstraint("id", name="pk_kept_aside"),
        sa.UniqueConstraint("blob", name="uq_kept_aside_blob"),
        sa.UniqueConstraint(
            "sop_instance_uid", "digest", "reason", name="uq_kept_aside_sop_instance_uid_digest_reason"
        ),
    )
    op.create_index("ix_kept_aside_study_id", "kept_aside", ["study_id"])
    op.create_table(
        "series",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("series_instance_uid", _string(64), nullable=False),
        sa.Column("study_id", sa.Integer, nullable=False),
        _text("modality", 16),
        sa.Column("number", sa.Integer),
        _text("description", 256),
        _text("body_part", 64),
        _text("laterality", 16),
        _text("series_date", 8),
        _text("series_time", 16),
        sa.Column("instance_count", sa.Integer, server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_series_study_id"),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint("series_instance_uid", name="uq_series_series_instance_uid"),
    )
    op.create_index("ix_series_study_id", "series", ["study_id"])
    op.create_table(
        "instances",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("sop_instance_uid", _string(64), nullable=False),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("sop_class_uid", _string(64), nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("rows", sa.Integer),
        sa.Column("columns", sa.Integer),
        sa.Column("bits_allocated", sa.Integer),
        sa.Column("frames", sa.Integer, server_default="1", nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("blob", sa.String(32), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("transfer_syntax_uid", _string(64), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_instances_series_id"),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
        sa.UniqueConstraint("blob", name="uq_instances_blob"),
        sa.UniqueConstraint("sop_instance_uid", name="uq_instances_sop_instance_uid"),
    )
    op.create_index("ix_instances_in_order", "instances", ["series_id", "number", "id"])


def _store() -> None:
    op.create_table(
        "study_keys",
        sa.Column("study_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_keys_study_id"),
        sa.PrimaryKeyConstraint("study_id", name="pk_study_keys"),
    )


def _record() -> None:
    op.create_table(
        "log_entries",
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("opens", sa.BigInteger),
        sa.Column("salt", sa.LargeBinary),
        sa.Column("body", sa.LargeBinary),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_log_entries"),
        sa.UniqueConstraint("opens", name="uq_log_entries_opens"),
    )
    op.create_index("ix_log_entries_time", "log_entries", ["time"])
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("checkpoint", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_head"),
    )
    op.create_table(
        "log_key",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_key"),
    )
    op.create_table(
        "log_subjects",
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", "kind", "value", name="pk_log_subjects"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_log_subjects_kind_value_seq", "log_subjects", ["kind", "value", "seq"])
