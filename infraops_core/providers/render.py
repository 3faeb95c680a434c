"""Render Postgres: one server an instance, no pooler."""

import re

from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.provider import Provider
from infraops_core.tls import Tls

_HOST = re.compile(r"dpg-[a-z0-9]+-[a-z](\.[a-z]+-postgres\.render\.com)?")


class _Render(Provider):
    def is_host(self, host: str) -> bool:
        return _HOST.fullmatch(host) is not None


_POOLING = 'Render Tutorials, "Postgres on Render": Connection limits and pooling'

RENDER = _Render(
    name="render",
    title="Render",
    hosted=True,
    tls=Tls.REQUIRE,
    domains=("-postgres.render.com",),
    most_connections=500,
    extensions=frozenset(
        {
            "btree_gin", "btree_gist", "citext", "cube", "dict_int", "earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn", "ltree",
            "pg_stat_statements", "pg_trgm", "pgcrypto", "plpgsql", "vector",
        }
    ),
    facts=Facts(
        hosts=Fact(
            "`dpg-ID-a.REGION-postgres.render.com`, and `dpg-ID-a` alone inside Render",
            'Render, "render-postgres" (agent skill): Connection Patterns; the form is that of connection strings in public repositories',
        ),
        tls=Fact(
            "TLS 1.2 or newer from outside, with the host's name sent (SNI); not insisted on inside",
            'Render, "render-postgres" (agent skill): Connection Patterns; polarsource/polar pull request 13822 for SNI',
        ),
        ca=Fact(
            "sslrootcert=system, by the report of a user whose PgBouncer verifies it with the system's roots; Render's word: not found",
            "polarsource/polar pull request 13822",
        ),
        pooling=Fact("none", _POOLING),
        connections=Fact("by memory: 100 below 8 GB, 200, 400, and 500 from 32 GB; legacy instances 97, 197, 397", _POOLING),
        extensions=Fact(
            "`create extension`; pgcrypto, pg_trgm and vector. The copy read ends before the letter u, so uuid-ossp was not seen",
            'Render Docs, "Supported Extensions for Render Postgres": PostgreSQL 13 and later',
        ),
        idle=Fact(
            "a free database expires: 90 days after it was made by the copy of the page, 30 by an article of 2026-04; 14 days to upgrade",
            'Render Docs, "Free Instance Types": Free PostgreSQL Databases; kuberns.com, "Render Postgres 2026"',
        ),
        backups=Fact(
            "point-in-time recovery of paid databases, over 3 days (Hobby) or 7 (Professional and higher), into a new instance",
            'Render Docs, "PostgreSQL Recovery and Backups"',
        ),
    ),
    prices="https://render.com/pricing",
)  # fmt: skip
