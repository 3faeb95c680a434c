"""Postgres' own client programs, pg_dump and pg_restore: which one to run, and how it gets in.

The password goes by the child's environment, all else by its arguments; nothing of our own environment about Postgres
reaches it, so a PGHOST or PGSSLMODE set in a shell leads nowhere else.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from infraops_core import hosts, routes
from infraops_core.access import Access, message
from infraops_core.database_url.redaction import hidden
from infraops_core.errors import UserError
from infraops_core.servers.embedded.binaries import Binaries

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Client:
    """A program that is new enough for its server."""

    program: str
    access: Access

    def command(self, *arguments: str) -> list[str]:
        """The command, without a password; `environment` has that.

        :raises UserError: for a mistake in the hosts file.
        """
        url = hosts.applied(self.access.url)
        shown = replace(url, password="", parameters=(*url.parameters, *_limits(dict(url.parameters))))
        return [self.program, "--no-password", f"--dbname={shown.for_libpq()}", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Ours without what libpq would read from it, and with the password."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return kept | {"PGPASSWORD": self.access.url.password, "PGPASSFILE": routes.NO_FILE, "LC_ALL": "C", "TZ": "UTC"}


def pg_dump(access: Access, binaries: Binaries | None) -> Client:
    """A pg_dump that is not older than the server, from `binaries` if it will do, else from PATH.

    :raises UserError: when there is none, when the server can't be reached, or the URL is weaker than its TLS rule.
    """
    hosts.applied(access.url).check_tls(access.tls)
    if secret := [key for key, value in access.url.parameters if hidden(key, value) != value]:
        raise UserError(f"the URL's {', '.join(secret)} cannot be handed to pg_dump without showing it", where=access.endpoint,
                        next="use a key or certificate file without a password of its own")  # fmt: skip
    server = _server_major(access)
    found = {program: _major(program) for program in _candidates("pg_dump", binaries)}
    for program, major in found.items():
        if major is not None and major >= server:
            return Client(program, access)
    told = ", ".join(f"{program} is {major or 'not to be run here'}" for program, major in found.items()) or "none was found"
    raise UserError(f"pg_dump must not be older than the server, which is Postgres {server}: {told}", where=access.endpoint,
                    next=f"install the client programs of Postgres {server} and have their folder on PATH")  # fmt: skip


def pg_restore(client: Client) -> str:
    """The pg_restore that belongs to this pg_dump.

    :raises UserError: when it is not there.
    """
    beside = Path(client.program).with_name("pg_restore")
    if not os.access(beside, os.X_OK):
        raise UserError("there is no pg_restore beside pg_dump", where=str(beside.parent), next="install Postgres' client programs whole")
    return str(beside)


def said(error_output: str) -> str:
    """What a client program complains of, in one line and without the program's name."""
    lines = [line.strip() for line in error_output.splitlines() if line.strip()]
    telling = next((line for line in lines if "error:" in line), lines[-1] if lines else "it said nothing")
    return telling.partition("error: ")[2] or telling


def _limits(given: dict[str, str]) -> list[tuple[str, str]]:
    own = {"connect_timeout": str(_CONNECT_SECONDS), "application_name": "infraops"}
    return [(key, value) for key, value in own.items() if key not in given]


def _server_major(access: Access) -> int:
    import psycopg

    try:
        with access.connect(seconds=_CONNECT_SECONDS) as connection:
            return connection.info.server_version // 10000
    except psycopg.Error as error:
        told = message(error)
        raise UserError(f"the database could not be reached: {told}", where=f"{access.endpoint} as {access.url.user}",
                        next=f"see that the server runs and lets {access.url.user} in; then run it again") from None  # fmt: skip


def _candidates(program: str, binaries: Binaries | None) -> list[str]:
    of_binaries = [binaries[program]] if binaries is not None and os.access(binaries[program], os.X_OK) else []
    on_path = shutil.which(program)
    return list(dict.fromkeys([*of_binaries, *([on_path] if on_path else [])]))


def _major(program: str) -> int | None:
    try:
        ran = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(ran.stdout)
    return int(match[1]) if match else None
