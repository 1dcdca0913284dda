"""Run by Alembic: the steps are taken on the connection that `pipeline/store/making.py` hands over."""

from alembic import context

from pipeline.store.schema import METADATA, STORE_VERSION

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=STORE_VERSION.name,
)
with context.begin_transaction():
    context.run_migrations()
