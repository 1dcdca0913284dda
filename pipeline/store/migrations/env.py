"""Run by Alembic, for every kind of store, on the connection that `pipeline/store/making.py` hands over."""

from alembic import context

from pipeline.store.schema import STORE_VERSION

context.configure(
    connection=context.config.attributes["connection"],
    version_table=STORE_VERSION.name,
)
with context.begin_transaction():
    context.run_migrations()
