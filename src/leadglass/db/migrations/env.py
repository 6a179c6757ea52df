"""Alembic's environment: one given connection, one transaction around everything."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,  # ours begins by BEGIN IMMEDIATE, so SQLite's DDL rolls back as well
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
