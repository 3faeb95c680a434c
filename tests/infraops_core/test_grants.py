"""Rights on other schemas, on a real server."""

import dataclasses
from collections.abc import Iterator

import psycopg
import pytest

from infraops_core import passwords, roles
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.settings.grants import Grant
from tests.fix_postgres import TestServer
from tests.infraops_core.audit.rows import apply_schema

ROLES = (roles.OWNER, roles.APP, roles.READONLY)
ALL = ("select", "insert", "update", "delete")
ODD = 'Sh"op {x} %s'


class Shop:
    """The audit database of a server, with what a stack grants in it."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self.passwords = {role: passwords.generate() for role in ROLES}
        self.granted: tuple[Grant, ...] = ()

    def grant(self, *grants: Grant, admin: Access | None = None) -> None:
        """What an `up` does, and what it remembers."""
        settings = roles.RoleSettings(self.passwords, "default", 5, grants=grants)
        roles.create(admin or self.server.access(), settings, granted=self.granted)
        self.granted = grants

    def run(self, role: str, *statements: str) -> None:
        with self.access(role).connect(seconds=30) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def access(self, role: str) -> Access:
        return self.server.access(role, self.passwords[role], roles.DATABASE)

    def may(self, role: str, table: str = "shop.orders") -> str:
        """The privileges a role has on a table, and on its sequence."""
        query = """select coalesce(string_agg(p, ' '), 'nothing') from unnest(array['select', 'insert', 'update', 'delete', 'truncate',
            'references', 'trigger']) p where has_table_privilege(%s, %s, p) and has_schema_privilege(%s, %s, 'usage')"""
        with self.server.access(database=roles.DATABASE).connect(seconds=30) as connection:
            row = connection.execute(query.encode(), [role, table, role, table.partition(".")[0].strip('"').replace('""', '"')]).fetchone()
        assert row is not None
        return str(row[0])


@pytest.fixture
def shop(postgres: TestServer) -> Iterator[Shop]:
    """A schema `shop` of the owner's with a table `orders`, and nothing granted."""
    drop = (f"drop database if exists {roles.DATABASE} with (force)", f"drop role if exists {', '.join(ROLES)}")

    def clean() -> None:
        with postgres.access().connect(seconds=30) as connection:
            for statement in drop:
                connection.execute(statement.encode())

    clean()
    made = Shop(postgres)
    made.grant()
    made.run(roles.OWNER, "create schema shop", "create table shop.orders (id serial primary key, what text)")
    yield made
    clean()


def test_nothing_is_granted_unless_it_is_said(shop: Shop) -> None:
    assert shop.may(roles.APP) == shop.may(roles.READONLY) == "nothing"


def test_tables_and_sequences_there_are_and_those_to_come(shop: Shop) -> None:
    shop.grant(Grant("app", "shop", ("select", "insert"), ("usage",)), Grant("readonly", "shop", ("select",)))
    shop.run(roles.OWNER, "create table shop.later (id serial primary key, what text)")
    for table in ("shop.orders", "shop.later"):
        assert shop.may(roles.APP, table) == "select insert"
        assert shop.may(roles.READONLY, table) == "select"
        shop.run(roles.APP, f"insert into {table} (what) values ('a')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.run(roles.APP, f"update {table} set what = 'b'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.run(roles.READONLY, f"select nextval('{table}_id_seq')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.run(roles.APP, "create table shop.mine ()")


def test_less_is_taken_back_and_none_is_none(shop: Shop) -> None:
    shop.grant(Grant("app", "shop", ALL, ("usage",)))
    assert shop.may(roles.APP) == "select insert update delete"
    shop.grant(Grant("app", "shop", ("select",)))
    assert shop.may(roles.APP) == "select"
    shop.grant()
    shop.run(roles.OWNER, "create table shop.later ()")
    assert shop.may(roles.APP) == shop.may(roles.APP, "shop.later") == "nothing"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.run(roles.APP, "select * from shop.orders")


def test_what_was_granted_by_hand_goes_where_a_grant_is_named_and_stays_elsewhere(shop: Shop) -> None:
    shop.run(roles.OWNER, "create schema other", "create table other.t ()")
    for schema in ("shop", "other"):
        shop.run(roles.OWNER, f"grant usage on schema {schema} to infraops_app",
                 f"grant truncate, delete on all tables in schema {schema} to infraops_app")  # fmt: skip
    shop.grant(Grant("app", "shop", ("select",)))
    assert shop.may(roles.APP) == "select"
    assert shop.may(roles.APP, "other.t") == "delete truncate"


def test_create_by_hand_goes_too(shop: Shop) -> None:
    shop.run(roles.OWNER, "grant create on schema shop to infraops_app")
    shop.grant(Grant("app", "shop", ("select",)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.run(roles.APP, "create table shop.mine ()")


@pytest.mark.parametrize("first", ["the ledger", "the grant"])
def test_on_schema_public_the_migrations_ledger_is_left_out(shop: Shop, first: str) -> None:
    grants = (Grant("app", "public", ALL, ("usage",)), Grant("readonly", "public", ("select",)))
    if first == "the grant":
        shop.grant(*grants)
    apply_schema(shop.access(roles.OWNER))
    if first == "the ledger":
        shop.grant(*grants)
    shop.run(roles.OWNER, "create table public.notes ()")
    assert shop.may(roles.APP, "public.notes") == "select insert update delete"
    for table in ("public.schema_migrations", "public.schema_migrations_under_way"):
        assert shop.may(roles.APP, table) == shop.may(roles.READONLY, table) == "nothing"


def test_a_second_time_changes_nothing(shop: Shop) -> None:
    for _ in range(2):
        shop.grant(Grant("app", "shop", ALL, ("usage",)))
        shop.grant(Grant("app", "shop", ALL, ("usage",)))
    assert shop.may(roles.APP) == "select insert update delete"


def test_a_schema_that_is_not_there_is_made_for_the_owner(shop: Shop) -> None:
    shop.grant(Grant("app", ODD, ALL))
    quoted = '"' + ODD.replace('"', '""') + '"'
    shop.run(roles.OWNER, f"create table {quoted}.t ()")
    assert shop.may(roles.APP, f"{quoted}.t") == "select insert update delete"
    shop.run(roles.OWNER, f"drop schema {quoted} cascade")
    shop.grant()


def test_in_somebody_elses_database_a_schema_that_is_not_there_is_refused(shop: Shop) -> None:
    settings = roles.RoleSettings(shop.passwords, "default", 5, owns_database=False, grants=(Grant("app", "shpo", ("select",)),))
    with pytest.raises(UserError) as refused:
        roles.create(shop.server.access(), settings)
    assert refused.value.what == "there is no schema shpo"
    assert "create schema shpo" in refused.value.next


def test_tables_that_others_made_and_will_make_count(shop: Shop) -> None:
    """The superuser's own tables in the owner's schema."""
    admin = shop.server.access(database=roles.DATABASE)
    with admin.connect(seconds=30) as connection:
        connection.execute("create table shop.admins ()")
        shop.grant(Grant("readonly", "shop", ("select",)))
        connection.execute("create table shop.admins_later ()")
    assert [shop.may(roles.READONLY, table) for table in ("shop.admins", "shop.admins_later")] == ["select", "select"]


def test_an_admin_who_may_not_is_told_and_nothing_is_half_done(shop: Shop) -> None:
    with shop.server.access(database=roles.DATABASE).connect(seconds=30) as connection:
        connection.execute("create role plain_admin login createrole createdb password 'plain'")
        connection.execute("grant infraops_owner, infraops_app, infraops_readonly to plain_admin with admin true")
        connection.execute("create schema theirs")
        connection.execute("create table theirs.t ()")
        plain = dataclasses.replace(shop.server.access("plain_admin", "plain"))
        with pytest.raises(UserError) as refused:
            shop.grant(Grant("app", "shop", ("select",)), Grant("app", "theirs", ("select",)), admin=plain)
        assert "the rights of app on schema theirs could not be set: permission denied" in refused.value.what
        assert shop.may(roles.APP) == "nothing"
        shop.grant(Grant("app", "shop", ("select",)), admin=plain)
        assert shop.may(roles.APP) == "select"
        shop.grant(admin=plain)
        connection.execute("drop owned by plain_admin")
        connection.execute("drop role plain_admin")


def test_a_grant_is_taken_out_though_a_strangers_table_is_there(shop: Shop) -> None:
    with shop.server.access(database=roles.DATABASE).connect(seconds=30) as connection:
        connection.execute("create role plain_admin login createrole createdb password 'plain'")
        connection.execute("grant infraops_owner, infraops_app, infraops_readonly to plain_admin with admin true")
        plain = shop.server.access("plain_admin", "plain")
        shop.run(roles.OWNER, "create table shop.columns (a int, b int)", "grant update (a) on shop.columns to infraops_app")
        shop.grant(Grant("app", "shop", ("select",), ("usage",)), admin=plain)
        connection.execute("create table shop.strangers ()")
        shop.grant(admin=plain)
        held = connection.execute("select relname from pg_class where 'infraops_app'::regrole in (select (aclexplode(relacl)).grantee)"
                                  " and relnamespace = 'shop'::regnamespace").fetchall()  # fmt: skip
        assert held == []
        columns = "select has_any_column_privilege('infraops_app', 'shop.columns', 'update')"
        assert connection.execute(columns.encode()).fetchone() == (False,)
        connection.execute("drop owned by plain_admin")
        connection.execute("drop role plain_admin")


def test_a_maker_for_whom_the_admin_may_not_speak_is_named(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Default privileges belong to whoever makes the tables."""
    with shop.server.access(database=roles.DATABASE).connect(seconds=30) as connection:
        connection.execute("create role plain_admin login createrole createdb password 'plain'")
        connection.execute("grant infraops_owner, infraops_app, infraops_readonly to plain_admin with admin true")
        connection.execute("create schema theirs authorization infraops_owner")
        connection.execute("alter default privileges in schema theirs grant select on tables to plain_admin")
        shop.grant(Grant("app", "theirs", ("select",)), admin=shop.server.access("plain_admin", "plain"))
        assert "not on what infraops_admin will make, for whom plain_admin may not speak" in capsys.readouterr().out
        shop.grant()
        connection.execute("drop owned by plain_admin")
        connection.execute("drop role plain_admin")
