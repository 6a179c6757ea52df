"""Tables of the four levels of the Query/Retrieve information model (PS3.4 C.6), of what was kept aside, of
other versions of an object, and of what people changed of patients' identities.

A study carries the patient's name, birth date and sex as they came with it: one Patient ID under two
names is for a person to resolve, and until then each study shows what its own images say.
Dates are YYYYMMDD and times HHMMSS[.F], as in the Standard, so that they compare as text.
"""

from __future__ import annotations

import sqlalchemy as sa

from leadglass.db.engine import metadata
from leadglass.db.numbers import unused


def _string(length: int) -> sa.types.TypeEngine[str]:
    """Text that compares by code point everywhere: prefix ranges rely on it."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


_UID = _string(64)


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, _string(length), nullable=False, server_default="")


def _object_columns() -> list[sa.Column]:  # type: ignore[type-arg]
    """Where an object lies and what opens it. `digest` is SHA-256 over its data set as received."""
    return [
        sa.Column("blob", sa.String(32), nullable=False, unique=True),
        sa.Column("wrapped_key", sa.LargeBinary(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("transfer_syntax_uid", _UID, nullable=False),
    ]


# A Patient ID belongs to its issuer (PS3.3 C.7.1.1). Without one nothing says that two studies are of
# one person: such a patient is anchored to the one study.
patients = sa.Table(
    "patients",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, default=unused("patients")),
    _text("issuer", 64),
    _text("patient_id", 64),
    _text("anchor", 64),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("patient_id", "issuer", "anchor"),
)

STUDY_LIST = (
    "study_date",
    "study_time",
    "id",
    "department_id",
    "name_key",
    "patient_id",
    "accession_number",
    "modalities",
    "description",
    "birth_date",
    "sex",
)

studies = sa.Table(
    "studies",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, default=unused("studies")),
    sa.Column("study_instance_uid", _UID, nullable=False, unique=True),
    sa.Column("patient", sa.Integer, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("department_id", sa.Integer, sa.ForeignKey("departments.id"), nullable=False),
    _text("patient_name", 400),
    _text("name_key", 400),  # folded for matching without case (PS3.4 C.2.2.2.1.1)
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
    _text("referring_key", 400),  # folded as name_key is
    _text("modalities", 256),  # distinct, sorted, separated by backslash
    _text("sop_classes", 4096),  # likewise
    sa.Column("series_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("instance_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("received", sa.BigInteger, nullable=False),
    # How many changes of identity are in force for it (`index.identity`); 0: it is delivered as it came.
    sa.Column("corrected", sa.Integer, nullable=False, server_default="0"),
    # All that the study list is searched by, in its order: a search without a better index reads this one
    # from the newest on and visits no row of the table. The first is the same in a third of the pages.
    sa.Index("ix_studies_recent", "study_date", "study_time", "id", "department_id", "modalities"),
    sa.Index("ix_studies_list", *STUDY_LIST),
    sa.Index("ix_studies_department_recent", "department_id", "study_date", "study_time", "id"),
    # A patient's studies, the newest of them first or last: what a list of patients shows of each.
    sa.Index("ix_studies_patient_recent", "patient", "study_date", "study_time", "id"),
    # This one tells besides which ID is two people's, the one of birth dates which person has two IDs.
    sa.Index("ix_studies_patient_id", "patient_id", "issuer", "name_key", "birth_date", "department_id"),
    sa.Index("ix_studies_accession_number", "accession_number"),
    sa.Index("ix_studies_name_key", "name_key"),
    sa.Index("ix_studies_birth_date", "birth_date", "name_key", "patient_id", "issuer", "department_id"),
    sa.Index("ix_studies_study_id", "study_id"),
)

# Every word of a patient's name, so that a search by any beginning is a range of a B-tree.
study_words = sa.Table(
    "study_words",
    metadata,
    sa.Column("word", _string(64), primary_key=True),
    sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

# Repeats date and time of the study: the newest studies of a rare modality without visiting the others.
study_modalities = sa.Table(
    "study_modalities",
    metadata,
    sa.Column("modality", _string(16), primary_key=True),
    sa.Column("study_date", _string(8), primary_key=True),
    sa.Column("study_time", _string(16), primary_key=True),
    sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

series = sa.Table(
    "series",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, default=unused("series")),
    sa.Column("series_instance_uid", _UID, nullable=False, unique=True),
    sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), nullable=False, index=True),
    _text("modality", 16),
    sa.Column("number", sa.Integer),
    _text("description", 256),
    _text("body_part", 64),
    _text("laterality", 16),
    _text("series_date", 8),
    _text("series_time", 16),
    _text("performed_date", 8),
    _text("performed_time", 16),
    sa.Column("instance_count", sa.Integer, nullable=False, server_default="0"),
)

# The items of Request Attributes Sequence (0040,0275): which requests a series answers.
series_requests = sa.Table(
    "series_requests",
    metadata,
    sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    _text("requested_procedure_id", 64),
    _text("scheduled_step_id", 64),
    sa.Index("ix_series_requests_requested_procedure_id", "requested_procedure_id"),
    sa.Index("ix_series_requests_scheduled_step_id", "scheduled_step_id"),
    sqlite_with_rowid=False,
)


def instance_columns(*, unique: bool = False) -> list[sa.Column]:  # type: ignore[type-arg]
    """Of a table of instances. `unique`: a SOP Instance UID stands in it once."""
    return [
        sa.Column("sop_instance_uid", _UID, nullable=False, unique=unique or None),
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), nullable=False),
        sa.Column("sop_class_uid", _UID, nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("rows", sa.Integer),
        sa.Column("columns", sa.Integer),
        sa.Column("bits_allocated", sa.Integer),
        sa.Column("frames", sa.Integer, nullable=False, server_default="1"),
        sa.Column("received", sa.BigInteger, nullable=False),
        *_object_columns(),
    ]


instances = sa.Table(
    "instances",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, default=unused("instances")),
    *instance_columns(unique=True),
    sa.Index("ix_instances_in_order", "series_id", "number", "id"),
)

# Received, but not to be kept among the rest: for a person to decide. The study is the one that it is at odds
# with; none where the object itself is at fault, and its UID is then empty unless it is a legal one.
kept_aside = sa.Table(
    "kept_aside",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, default=unused("kept_aside")),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id")),
    sa.Column("own_key", sa.Boolean, nullable=False, server_default=sa.false()),  # not the study's, as once
    sa.Column("department_id", sa.Integer, sa.ForeignKey("departments.id"), nullable=False),
    sa.Column("sop_instance_uid", _UID, nullable=False),
    sa.Column("source", sa.String(200), nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    *_object_columns(),
    sa.UniqueConstraint("sop_instance_uid", "digest", "reason", "department_id"),
    sa.Index("ix_kept_aside_source", "department_id", "source", "size"),
    sa.Index("ix_kept_aside_reason", "department_id", "reason", "size"),
    sa.Index("ix_kept_aside_study_id", "study_id", "size"),
)

# Other bytes of an instance than those that are shown: what was `replaced` by what had been kept aside, and
# what was `received` of an instance that had to be stored under UIDs of its own. They stay when
# it is lost, and go when it is deleted.
versions = sa.Table(
    "versions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, default=unused("versions")),
    sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), nullable=False, index=True),
    sa.Column("instance_uid", _UID, nullable=False, index=True),  # whose version it is
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("made", sa.BigInteger, nullable=False),  # when it became a version
    sa.Column("sop_instance_uid", _UID, nullable=False, index=True),  # its own; empty where that is not legal
    sa.Column("sop_class_uid", _UID, nullable=False),
    sa.Column("number", sa.Integer),
    sa.Column("rows", sa.Integer),
    sa.Column("columns", sa.Integer),
    sa.Column("bits_allocated", sa.Integer),
    sa.Column("frames", sa.Integer, nullable=False, server_default="1"),
    sa.Column("source", sa.String(200), nullable=False, server_default=""),
    sa.Column("received", sa.BigInteger, nullable=False),
    *_object_columns(),
)


_IDENTITY = (("patient_name", 400), ("patient_id", 64), ("issuer", 64), ("birth_date", 8), ("sex", 16))

# A change of identity: what it set (null: that it left alone) of which studies (`identity_studies`), in force
# until it is undone. `from_…` is the patient it was about; after a merge, studies that still come for that
# patient to the departments it was made for are changed too.
identity_changes = sa.Table(
    "identity_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, default=unused("identity_changes")),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("made", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("reason", sa.String(400), nullable=False),
    _text("from_patient_id", 64),
    _text("from_issuer", 64),
    *(sa.Column(name, _string(length)) for name, length in _IDENTITY),
    sa.Column("undone", sa.BigInteger),
    sa.Column("undone_by", sa.String(200), nullable=False, server_default=""),
    sa.Column("undone_reason", sa.String(400), nullable=False, server_default=""),
    sa.Index("ix_identity_changes_from", "from_patient_id", "from_issuer"),
    sa.Index("ix_identity_changes_to", "patient_id", "issuer"),
)

# Which departments a change touched; `source`: those whose studies it changed, and changes.
identity_departments = sa.Table(
    "identity_departments",
    metadata,
    sa.Column("change_id", sa.Integer, sa.ForeignKey("identity_changes.id"), primary_key=True),
    sa.Column(
        "department_id", sa.Integer, sa.ForeignKey("departments.id"), primary_key=True, autoincrement=False
    ),
    sa.Column("source", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# A study under a change, and what it showed before. `came`: it came after the change. `joined`: how many
# images have come for it since with the identity that the change gave it.
identity_studies = sa.Table(
    "identity_studies",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("change_id", sa.Integer, sa.ForeignKey("identity_changes.id"), nullable=False, index=True),
    sa.Column(
        "study_id", sa.Integer, sa.ForeignKey("studies.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    *(_text(name, length) for name, length in _IDENTITY),
    sa.Column("came", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("joined", sa.Integer, nullable=False, server_default="0"),
)

# Proposals that somebody said no to, by a digest of what was proposed.
identity_dismissals = sa.Table(
    "identity_dismissals",
    metadata,
    sa.Column("proposal", sa.LargeBinary(32), primary_key=True),
    sa.Column("dismissed", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("reason", sa.String(400), nullable=False),
)

# How much came in, by the hour: a page of a month reads some thousand rows of this instead of a million of
# instances. It counts arrivals: what was deleted or moved since stays counted where it came in.
arrivals = sa.Table(
    "arrivals",
    metadata,
    sa.Column(
        "department_id", sa.Integer, sa.ForeignKey("departments.id"), primary_key=True, autoincrement=False
    ),
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),  # since the epoch, UTC
    sa.Column("source", _string(64), primary_key=True),  # as in the record; empty: before it was counted
    sa.Column("modality", _string(16), primary_key=True),
    sa.Column("instances", sa.BigInteger, nullable=False),
    sa.Column("studies", sa.BigInteger, nullable=False),  # new ones, by what came first of them
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# From when to when each source sent on each day: who has gone silent is seen from few rows.
sending_days = sa.Table(
    "sending_days",
    metadata,
    sa.Column(
        "department_id", sa.Integer, sa.ForeignKey("departments.id"), primary_key=True, autoincrement=False
    ),
    sa.Column("source", _string(64), primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),  # since the epoch, UTC
    sa.Column("first_hour", sa.Integer, nullable=False),  # since the epoch
    sa.Column("last_hour", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
