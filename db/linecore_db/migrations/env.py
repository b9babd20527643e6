"""What alembic runs to migrate: the connection, and its transaction, are :mod:`linecore_db.upgrade`'s."""

from alembic import context

attributes = context.config.attributes
context.configure(connection=attributes["connection"], version_table=attributes["version_table"])
context.run_migrations()
