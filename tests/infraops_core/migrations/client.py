"""Postgres' own clients, run on a database as a user would run them."""

import os
import subprocess

from infraops_core.access import Access
from infraops_core.servers.embedded import binaries


def client(program: str, access: Access, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run psql or pg_dump; the password is in its environment, as in no list of processes."""
    url = access.url
    environment = os.environ | {"PGHOST": url.host, "PGPORT": str(url.port), "PGUSER": url.user, "PGPASSWORD": url.password,
                                "PGDATABASE": url.database}  # fmt: skip
    command = [binaries.find([17], None)[program], *arguments]
    return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False)
