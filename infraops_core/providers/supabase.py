"""Supabase: what its hosts and ports are.

Source: Supabase documentation, "Connect to your database": port 6543 is a pooler in transaction mode, both of the
shared pooler's host and of the database's own; on 5432 the shared pooler gives a session, and the database's host is direct.
"""

import dataclasses

from infraops_core.database_url import DatabaseUrl

NAME = "Supabase"
_HOSTS = (".supabase.com", ".supabase.co")
_TRANSACTION_PORT, _SESSION_PORT = 6543, 5432


def recognises(url: DatabaseUrl) -> bool:
    """Whether the URL's host is one of Supabase's."""
    return url.host.lower().rstrip(".").endswith(_HOSTS)


def is_pooled(url: DatabaseUrl) -> bool:
    """Whether a pooler in transaction mode answers there; one in session mode is as good as a direct connection."""
    return url.port == _TRANSACTION_PORT


def direct(url: DatabaseUrl) -> DatabaseUrl:
    """The same database with a session of its own."""
    return dataclasses.replace(url, port=_SESSION_PORT) if is_pooled(url) else url
