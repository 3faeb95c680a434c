"""A Postgres server of this machine for one stack, kept in one folder."""
