"""One home's database: engine, transactions, writer, migrations. Knows no table but Alembic's own."""
