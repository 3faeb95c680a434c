"""Postgres servers that this machine runs."""
