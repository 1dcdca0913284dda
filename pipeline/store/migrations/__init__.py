"""How Alembic reaches the store; each step of its tables is a file in `versions`."""
