"""Databases to write to and to move between, and the same thing done by threads and by asyncio."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg

from infraops_core import passwords
from infraops_core.access import Access
from infraops_core.audit.connections.async_connections import AsyncConnections
from infraops_core.audit.connections.connections import Connections
from infraops_core.audit.connections.sources import UrlSource
from infraops_core.tls import Tls
from tests.fix_postgres import TestServer, wait_until

INSERT = b"insert into rows (id, writer) values (%s, %s) on conflict do nothing"

_TABLES = """
create table rows (id uuid primary key, writer int not null check (writer >= 0));
create table numbered (seq bigint constraint numbered_seq unique);
create table guarded (n int);
alter table guarded enable row level security;
create policy none_at_all on guarded with check (false);
"""
_ROLE = """
create role "{role}" login password '{password}';
grant select, insert on rows, numbered, guarded to "{role}"
"""


@dataclass(frozen=True)
class Place:
    """A database with a table `rows`, and a role of its own that may insert and select there."""

    server: TestServer
    database: str
    role: str
    password: str

    @property
    def access(self) -> Access:
        """The role's way in."""
        return self.server.access(self.role, self.password, self.database)

    @property
    def url(self) -> str:
        return self.access.url.with_password()

    @property
    def endpoint(self) -> str:
        return self.access.endpoint

    def through(self, port: int) -> str:
        """The role's URL by way of a proxy."""
        return replace(self.access.url, port=port).with_password()

    def do(self, *statements: str) -> list[tuple[Any, ...]]:
        """What the last of the statements gives the admin."""
        with self.server.access(database=self.database).connect(seconds=30) as connection:
            for statement in statements:
                cursor = connection.execute(statement.format(role=self.role).encode())
            return cursor.fetchall() if cursor.description else []

    def sessions(self) -> list[int]:
        """The role's server processes."""
        return [row[0] for row in self.do("select pid from pg_stat_activity where usename = '{role}' and backend_type = 'client backend'")]

    def terminate(self) -> None:
        """End the role's sessions, and those whose login was under way."""

        def ended() -> bool:
            self.do("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'")
            return not self.sessions()

        wait_until(ended, "the end of the sessions")


@contextmanager
def place(server: TestServer) -> Iterator[Place]:
    """A new place on a running server, removed at the end unless the server is gone."""
    database = f"test_{secrets.token_hex(6)}"
    with server.access().connect(seconds=30) as connection:
        connection.execute(f'create database "{database}"'.encode())
    made = Place(server, database, f"app_{secrets.token_hex(6)}", passwords.generate())
    made.do(_TABLES, _ROLE.replace("{password}", made.password))
    yield made
    with suppress(psycopg.OperationalError), server.access().connect(seconds=30) as connection:
        connection.execute(f'drop database "{database}" with (force)'.encode())
        connection.execute(f'drop role "{made.role}"'.encode())


@contextmanager
def renewed(home: Place) -> Iterator[Place]:
    """The same database with empty tables and another role: quicker than another database."""
    made = replace(home, role=f"app_{secrets.token_hex(6)}", password=passwords.generate())
    made.do("truncate rows, numbered", _ROLE.replace("{password}", made.password))
    yield made
    made.terminate()
    made.do(f'grant connect on database "{made.database}" to public', 'drop owned by "{role}"', 'drop role "{role}"')


@dataclass
class Once:
    """Statements run once, each by `run`, through connections made for them; `calls` counts what was tried."""

    in_asyncio: bool
    calls: int = 0

    def __call__(self, source: UrlSource | str, *statements: str, deadline: float | None = None,
                 between: Callable[[], object] = lambda: None, **options: Any) -> Any:  # fmt: skip
        """The first row of the last statement.

        :param between: called after each statement but the last.
        """
        options = {"tls": Tls.DISABLE} | options
        if self.in_asyncio:
            return asyncio.run(self._async(source, statements, deadline, between, options))
        with Connections(source, **options) as connections:
            for statement in statements[:-1]:
                connections.run(partial(self._one, statement=statement), deadline_seconds=deadline)
                between()
            return connections.run(partial(self._one, statement=statements[-1]), deadline_seconds=deadline)

    def _one(self, connection: psycopg.Connection[Any], statement: str) -> Any:
        self.calls += 1
        cursor = connection.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None

    async def _async(self, source: UrlSource | str, statements: tuple[str, ...], deadline: float | None,
                     between: Callable[[], object], options: Any) -> Any:  # fmt: skip
        async with AsyncConnections(source, **options) as connections:
            for statement in statements[:-1]:
                await connections.run(partial(self._one_async, statement=statement), deadline_seconds=deadline)
                between()
            return await connections.run(partial(self._one_async, statement=statements[-1]), deadline_seconds=deadline)

    async def _one_async(self, connection: psycopg.AsyncConnection[Any], statement: str) -> Any:
        self.calls += 1
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchone() if cursor.description else None
