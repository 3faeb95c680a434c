"""How Postgres' own programs get in: no secret in their arguments, nothing of our environment, every host of the URL."""

import dataclasses
import subprocess

import pytest

from infraops_core.access import Access
from infraops_core.database_url import Place
from infraops_core.errors import UserError
from infraops_core.migrations import client
from infraops_core.servers.embedded import binaries
from tests.fix_postgres import TestServer

PROGRAMS = binaries.find([17], None)
SECRET = "Sesam0effneDich"


@pytest.fixture
def database(postgres: TestServer) -> Access:
    """A database that pg_dump may read."""
    return postgres.access()


def with_parameter(access: Access, key: str, value: str) -> Access:
    return dataclasses.replace(access, url=dataclasses.replace(access.url, parameters=(*access.url.parameters, (key, value))))


@pytest.mark.parametrize(("key", "value"), [("sslpassword", SECRET), ("options", f"-c app.password={SECRET}")])
def test_a_secret_that_only_an_argument_could_carry_is_refused(database: Access, key: str, value: str) -> None:
    with pytest.raises(UserError, match=f"the URL's {key} cannot be handed to pg_dump without showing it") as refused:
        client.pg_dump(with_parameter(database, key, value), PROGRAMS)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(("key", "value"), [("options", "-c statement_timeout=5s"), ("passfile", "/nowhere/passfile")])
def test_what_is_no_secret_is_an_argument(database: Access, key: str, value: str) -> None:
    run = client.pg_dump(with_parameter(database, key, value), PROGRAMS)
    assert key in " ".join(run.command())


def test_it_tries_the_hosts_in_turn_without_what_libpq_does_not_know(database: Access) -> None:
    url = dataclasses.replace(
        database.url, port=1, others=(Place(database.url.host, database.url.port),), foreign=(("pgbouncer", "false"),)
    )
    run = client.pg_dump(dataclasses.replace(database, url=url), PROGRAMS)
    ran = subprocess.run(run.command("--schema-only"), env=run.environment, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
