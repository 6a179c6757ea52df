"""Alembic's environment: one given connection, in a transaction that whoever gave it commits."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,  # in SQLite as well: ours begins by BEGIN IMMEDIATE, so that its DDL rolls back
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
