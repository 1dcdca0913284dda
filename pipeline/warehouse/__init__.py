"""A warehouse as the source of the tables: read by a role that may only select, copied to local Parquet files."""
