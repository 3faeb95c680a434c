"""Neon: what its hosts are called.

Source: Neon documentation, "Connection pooling": the pooled host has `-pooler` after the endpoint's id.
"""

import dataclasses

from infraops_core.database_url import DatabaseUrl

NAME = "Neon"
_POOLER = "-pooler"


def recognises(url: DatabaseUrl) -> bool:
    """Whether the URL's host is one of Neon's."""
    return url.host.lower().rstrip(".").endswith(".neon.tech")


def is_pooled(url: DatabaseUrl) -> bool:
    """Whether PgBouncer answers there, which Neon runs in transaction mode."""
    return url.host.lower().partition(".")[0].endswith(_POOLER)


def direct(url: DatabaseUrl) -> DatabaseUrl:
    """The same database without its pooler."""
    endpoint, dot, rest = url.host.partition(".")
    return dataclasses.replace(url, host=f"{endpoint[: -len(_POOLER)]}{dot}{rest}") if is_pooled(url) else url
