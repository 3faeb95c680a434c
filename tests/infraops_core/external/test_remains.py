"""What is told of a database that stays, and that the SQL which is told removes it."""

import dataclasses
from collections.abc import Iterator

import pytest

from infraops_core import passwords, roles, smoke
from infraops_core.access import Access
from infraops_core.external import remains
from infraops_core.servers import loopback
from infraops_core.servers.embedded import server
from infraops_core.tls import Tls
from tests.fix_postgres import TestServer
from tests.infraops_core.audit.rows import apply_schema
from tests.infraops_core.external.conftest import Shop


@pytest.fixture
def used(with_a_row: TestServer) -> Iterator[tuple[Shop, dict[str, Access]]]:
    """A shop's database with our roles, our schema and two rows of the smoke test, on a server that has no other roles of ours."""
    password = passwords.generate()
    shop = Shop(with_a_row, "Shop 1", "landlord", "clerk", password)
    shop.run(
        f"create role landlord login createrole password '{password}'",
        f"create role clerk login password '{password}'",
        'create database "Shop 1" owner landlord',
        database="postgres",
    )
    made = {role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}
    roles.create(shop.access("landlord"), roles.RoleSettings(made, "default", 5, database="Shop 1", owns_database=False))
    ways = {role: with_a_row.access(role, made[role], "Shop 1") for role in made}
    apply_schema(ways[roles.OWNER])
    for _ in range(2):
        smoke.run(ways[roles.APP], {}, tenant="default")
    yield shop, ways | {"landlord": shop.access("landlord"), "clerk": shop.access("clerk"), "admin": with_a_row.access()}
    server.stop(with_a_row.folder)


def told(access: Access, *, made_roles: bool = True, schema: bool = True, database: str = "Shop 1") -> list[str]:
    return list(remains.told(access, database, roles=made_roles, schema=schema))


def test_what_remains_and_how_it_goes(used: tuple[Shop, dict[str, Access]]) -> None:
    shop, ways = used
    for role in ("landlord", "admin"):
        lines = told(ways[role])
        assert lines[:3] == [
            f"Left      127.0.0.1:{shop.server.running.port}/Shop 1 as it is; of this stack remains in it:",
            "          schema infraops_audit: 2 rows",
            "          roles infraops_owner, infraops_app, infraops_readonly",
        ]
        assert lines[3] == "          to remove that for good, as the admin in database Shop 1:"
    assert "rows" in told(ways["clerk"])[1]
    shop.run("create table kept_by_others as select 1 as n")
    with ways["landlord"].connect(seconds=30) as connection:
        members = "select count(*) from pg_auth_members where roleid = 'infraops_readonly'::regrole and (inherit_option or set_option)"
        assert connection.execute(members).fetchone() == (0,)  # counting has left no membership behind
        for statement in lines[4:]:
            connection.execute(statement.encode())
    with ways["admin"].connect(seconds=30, database="Shop 1") as connection:
        assert connection.execute("select count(*) from pg_roles where rolname like 'infraops\\_%%'", []).fetchone() == (1,)  # the admin
        assert connection.execute("select to_regnamespace('infraops_audit'), to_regclass('schema_migrations')").fetchone() == (None, None)
        assert connection.execute("select n from kept_by_others").fetchall() == [(1,)]
    assert told(ways["landlord"], made_roles=False) == [
        f"Left      127.0.0.1:{shop.server.running.port}/Shop 1 as it is; of this stack remains nothing"
    ]


def test_with_roles_of_others_only_the_schema_is_named(used: tuple[Shop, dict[str, Access]]) -> None:
    _, ways = used
    assert told(ways[roles.APP], made_roles=False)[1].endswith("rows not counted (row-level security hides them from this role)")
    lines = told(ways[roles.OWNER], made_roles=False)
    assert lines[1] == "          schema infraops_audit: 2 rows"
    assert not [line for line in lines if "drop role" in line]
    with ways[roles.OWNER].connect(seconds=30) as connection:
        for statement in lines[3:]:
            connection.execute(statement.encode())
        assert connection.execute("select to_regnamespace('infraops_audit'), to_regclass('schema_migrations')").fetchone() == (None, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password": "x" * 20}, "password authentication failed"),
        ({"port": loopback.free_port()}, "Connection refused"),
        ({"host": "db.example.com"}, "TLS may be off for loopback only"),
    ],
)
def test_where_nobody_answers_it_is_told_from_memory(shop: Shop, change: dict[str, object], reason: str) -> None:
    access = shop.access(shop.landlord)
    lost = Access(dataclasses.replace(access.url, **change), Tls.DISABLE)  # type: ignore[arg-type]
    lines = told(lost, database=shop.name)
    assert "schema infraops_audit: rows not counted (" in lines[1]
    assert reason in lines[1]
    assert lines[-1] == "          drop role infraops_owner, infraops_app, infraops_readonly;"
    assert access.url.password not in "".join(lines)
    assert told(lost, database=shop.name, made_roles=False, schema=False)[1:] == []
