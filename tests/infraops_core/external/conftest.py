"""A database `shop` on somebody else's server, and ways in for roles of several strengths."""

import dataclasses
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from infraops_core import passwords
from infraops_core.access import Access
from infraops_core.external.look import Asked
from tests.fix_postgres import TestServer

ASKED = Asked(database="", makes_roles=True, makes_schema=True, major=None, setting="databaseUrl", stack="shop")


@dataclass(frozen=True)
class Shop:
    """A database, its owner (`landlord…`, CREATEROLE) and a role that may nothing (`clerk…`)."""

    server: TestServer
    name: str
    landlord: str
    clerk: str
    password: str

    def access(self, role: str) -> Access:
        return self.server.access(role, self.password, self.name)

    @property
    def identity(self) -> str:
        """The beginning of that of any database on the server, whose roles are then nobody else's."""
        return f"{self.server.running.identity}-"

    def asked(self, **changed: object) -> Asked:
        return dataclasses.replace(ASKED, **({"database": self.name, "before": self.identity} | changed))  # type: ignore[arg-type]

    def run(self, *statements: str, database: str = "") -> None:
        with self.server.access(database=database or self.name).connect(seconds=60) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture
def shop(postgres: TestServer) -> Iterator[Shop]:
    mark = secrets.token_hex(6)
    made = Shop(postgres, f"shop_{mark}", f"landlord_{mark}", f"clerk_{mark}", passwords.generate())
    made.run(
        f"create role {made.landlord} login createrole password '{made.password}'",
        f"create role {made.clerk} login password '{made.password}'",
        f"create database {made.name} owner {made.landlord}",
        database="postgres",
    )
    yield made
    made.run(f"drop database {made.name} with (force)", f"drop role {made.landlord}, {made.clerk}", database="postgres")
