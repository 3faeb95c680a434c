"""The `infraops` command in this process, and databases for it on a server that has the three roles."""

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infraops_cli.commands import app
from infraops_cli.exits import code_of
from infraops_core import checkout, passwords, roles
from infraops_core.access import Access
from infraops_core.environment import VARIABLES
from infraops_core.servers import scratch
from infraops_core.servers.embedded import binaries
from infraops_core.servers.scratch import Scratch

TABLE = """-- migrate:up
create table notes (id bigint primary key, text text not null);

-- migrate:down
drop table notes;
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Server:
    """A server with the three roles."""

    scratch: Scratch
    passwords: dict[str, str]

    @property
    def secrets(self) -> set[str]:
        """What no output may hold."""
        return {*self.passwords.values(), self.scratch.admin.url.password}


@dataclass(frozen=True)
class Database:
    """A new database of the owner's."""

    server: Server
    name: str

    def access(self, role: str = roles.OWNER) -> Access:
        return self.server.scratch.access(role, self.server.passwords[role], self.name)

    def url(self, role: str = roles.OWNER) -> str:
        return self.access(role).url.with_password()

    @property
    def endpoint(self) -> str:
        return self.access().endpoint

    @property
    def variables(self) -> dict[str, str]:
        """What a shell has after `eval "$(infraops env STACK --direct)"`, and the readonly role's URL."""
        return {"DIRECT_DATABASE_URL": self.url(), "READONLY_DATABASE_URL": self.url(roles.READONLY)}

    def do(self, *statements: str) -> list[tuple[Any, ...]]:
        """What the last of the statements gives the superuser."""
        admin = self.server.scratch.access(scratch.ADMIN, self.server.scratch.admin.url.password, self.name)
        with admin.connect(seconds=60) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    with scratch.server(binaries.find([17], None)) as server:
        made = {role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}
        roles.create(server.admin, roles.RoleSettings(made, tenant="default", connection_limit=20))
        yield Server(server, made)


@pytest.fixture
def database(_server: Server) -> Iterator[Database]:
    """A database that holds nothing."""
    name = f"test_{secrets.token_hex(6)}"
    with _server.scratch.admin.connect(seconds=60) as connection:
        connection.execute(f'create database "{name}" owner "{roles.OWNER}"'.encode())
    yield Database(_server, name)
    with _server.scratch.admin.connect(seconds=60) as connection:
        connection.execute(f'drop database "{name}" with (force)'.encode())


Run = Callable[..., Ended]


@pytest.fixture
def infraops(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Run a command with no terminal to ask on: `infraops("migrate", "up", DIRECT_DATABASE_URL=url)`.

    Whatever it prints holds no password of the variables it was given, and no traceback.
    """
    for name in (name for variable in VARIABLES for name in variable.names):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INFRAOPS_STATE", str(tmp_path / "state"))
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)

        def run(*arguments: str, **variables: str) -> Ended:
            with monkeypatch.context() as shell:
                for name, value in variables.items():
                    shell.setenv(name, value)
                code = code_of(lambda: app(args=list(arguments), standalone_mode=False))
            out, err = capfd.readouterr()
            for value in variables.values():
                password = value.rpartition("@")[0].rpartition(":")[2]
                assert not password or password not in out + err
            assert "Traceback" not in err, err
            return Ended(code, out, err)

        yield run


@pytest.fixture
def migrations(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of migrations instead of the checkout's, with one table in it."""
    folder = tmp_path / "audit-schema" / "migrations"
    folder.mkdir(parents=True)
    (folder / "1_notes.sql").write_text(TABLE)
    monkeypatch.setattr(checkout, "AUDIT_SCHEMA", folder.parent)
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    return folder
