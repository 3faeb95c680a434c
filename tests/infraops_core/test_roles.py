"""The roles on a real server."""

import dataclasses
from collections.abc import Iterator

import psycopg
import pytest

from infraops_core import passwords, roles
from infraops_core.access import Access
from infraops_core.errors import UserError
from tests.fix_postgres import AuditDatabase, TestServer

ROLES = (roles.OWNER, roles.APP, roles.READONLY)


def settings(tenant: str = "default", connection_limit: int = 5) -> roles.RoleSettings:
    return roles.RoleSettings({role: passwords.generate() for role in ROLES}, tenant, connection_limit)


def run(access: Access, *statements: str) -> None:
    with access.connect(seconds=30) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def ask(access: Access, query: str) -> str:
    with access.connect(seconds=30) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])


def drop_roles(server: TestServer) -> None:
    run(server.access(), f"drop database if exists {roles.DATABASE} with (force)", f"drop role if exists {', '.join(ROLES)}")


@pytest.fixture
def fresh(postgres: TestServer) -> Iterator[TestServer]:
    """A server that has none of the roles."""
    drop_roles(postgres)
    yield postgres
    drop_roles(postgres)


@pytest.fixture
def made(fresh: TestServer) -> AuditDatabase:
    """The same with the roles."""
    asked = settings()
    roles.create(fresh.access(), asked)
    return AuditDatabase(fresh, asked)


@pytest.fixture
def plain_admin(fresh: TestServer) -> Iterator[Access]:
    """An admin who may make roles and databases, and is no superuser, as hosted providers have it."""
    run(fresh.access(), "create role plain_admin login createrole createdb password 'plain'")
    yield fresh.access("plain_admin", "plain")
    drop_roles(fresh)
    run(fresh.access(), "drop owned by plain_admin", "drop role plain_admin")


def everything(server: TestServer) -> list[tuple[object, ...]]:
    """All that the server knows of the roles, but for the salts of their passwords."""
    with server.access().connect(seconds=30) as connection:
        found = connection.execute(
            "select rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolconnlimit, rolbypassrls,"
            " rolconfig from pg_roles where rolname = any(%s) order by 1",
            [list(ROLES)],
        ).fetchall()
        found += connection.execute("select datname, datdba::regrole::text, datacl::text from pg_database order by 1").fetchall()
        found += connection.execute("select roleid::regrole::text, member::regrole::text from pg_auth_members order by 1, 2").fetchall()
    return found


def test_each_role_gets_in_with_its_own_password(made: AuditDatabase) -> None:
    for role in ROLES:
        assert ask(made.access(role), "select current_user || ' ' || current_database()") == f"{role} {roles.DATABASE}"


def test_making_them_again_changes_nothing(made: AuditDatabase) -> None:
    before = everything(made.server)
    roles.create(made.server.access(), made.settings)
    assert everything(made.server) == before
    test_each_role_gets_in_with_its_own_password(made)


def test_a_run_that_was_cut_short_is_completed(fresh: TestServer) -> None:
    run(fresh.access(), f"create role {roles.OWNER} nologin")
    asked = settings()
    roles.create(fresh.access(), asked)
    test_each_role_gets_in_with_its_own_password(AuditDatabase(fresh, asked))


def test_a_changed_password_counts_at_once_and_the_old_one_no_more(made: AuditDatabase) -> None:
    changed = settings()
    roles.create(made.server.access(), changed)
    test_each_role_gets_in_with_its_own_password(AuditDatabase(made.server, changed))
    for role in ROLES:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            ask(made.access(role), "select 1")


def test_a_changed_tenant_and_limit_count_from_the_next_connection(made: AuditDatabase) -> None:
    changed = dataclasses.replace(made.settings, tenant="acme-2", connection_limit=1)
    roles.create(made.server.access(), changed)
    with made.access(roles.APP).connect(seconds=10) as connection:
        assert connection.execute("select current_setting('infraops.tenant')").fetchone() == ("acme-2",)
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            ask(made.access(roles.APP), "select 1")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("statement_timeout", "30s"), ("idle_in_transaction_session_timeout", "10s"), ("infraops.tenant", "default")],
)
def test_the_app_has_it_by_plain_connection(made: AuditDatabase, setting: str, value: str) -> None:
    assert ask(made.access(roles.APP), f"select current_setting('{setting}')") == value


def test_the_other_roles_have_neither_tenant_nor_limits(made: AuditDatabase) -> None:
    for role in (roles.OWNER, roles.READONLY):
        assert ask(made.access(role), "select coalesce(current_setting('infraops.tenant', true), 'none')") == "none"
        assert ask(made.access(role), "select current_setting('statement_timeout')") == "0"


def test_only_the_three_may_connect_and_only_the_owner_may_create(made: AuditDatabase) -> None:
    run(made.server.access(), "create role outsider login password 'x'")
    try:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            ask(made.server.access("outsider", "x", roles.DATABASE), "select 1")
    finally:
        run(made.server.access(), "drop role outsider")
    for role in (roles.APP, roles.READONLY):
        for statement in ("create table public.t ()", "create schema s", "create temp table t ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                run(made.access(role), statement)
    run(made.access(roles.OWNER), "create table public.t ()", "create schema s")


def test_no_password_is_in_the_servers_log(fresh: TestServer) -> None:
    asked = settings(tenant="seen-in-the-log")
    run(fresh.access(), "alter system set log_statement = 'all'", "alter system set log_min_duration_statement = 0",
        "select pg_reload_conf()", "select pg_sleep(0.2)")  # fmt: skip
    try:
        roles.create(fresh.access(), asked)
        roles.create(fresh.access(), asked)
        ask(AuditDatabase(fresh, asked).access(roles.APP), "select 1")
    finally:
        run(fresh.access(), "alter system reset all", "select pg_reload_conf()")
    log = fresh.wanted.folder.log.read_text(errors="replace")  # a database in LATIN1 logs in LATIN1
    assert "seen-in-the-log" in log
    for secret in (*asked.passwords.values(), fresh.wanted.admin_password):
        assert secret not in log


def test_an_admin_without_superuser_makes_them_once_it_may_keep_the_tenant(fresh: TestServer, plain_admin: Access) -> None:
    asked = settings()
    with pytest.raises(UserError) as refused:
        roles.create(plain_admin, asked)
    assert "plain_admin may not give infraops_app its default tenant" in str(refused.value)
    assert "grant set on parameter infraops.tenant to plain_admin" in refused.value.next
    run(fresh.access(), "grant set on parameter infraops.tenant to plain_admin")
    for again in (asked, settings(tenant="other")):
        roles.create(plain_admin, again)
        audit = AuditDatabase(fresh, again)
        test_each_role_gets_in_with_its_own_password(audit)
        assert ask(audit.access(roles.APP), "select current_setting('infraops.tenant')") == again.tenant
    run(audit.access(roles.OWNER), "create table public.t ()", "create schema s")


def test_an_admin_without_superuser_needs_no_more_where_the_tenant_is_right(fresh: TestServer, plain_admin: Access) -> None:
    asked = settings()
    with pytest.raises(UserError) as refused:
        roles.create(plain_admin, asked)
    said = refused.value.next.split("(or: ")[1].split(");")[0]
    run(fresh.access(), said)
    roles.create(plain_admin, asked)
    assert ask(AuditDatabase(fresh, asked).access(roles.APP), "select current_setting('infraops.tenant')") == "default"


@pytest.mark.parametrize("attributes", ["nocreaterole createdb", "createrole nocreatedb"])
def test_an_admin_who_may_not_is_told_so(fresh: TestServer, plain_admin: Access, attributes: str) -> None:
    run(fresh.access(), f"alter role plain_admin {attributes}")
    with pytest.raises(UserError) as refused:
        roles.create(plain_admin, settings())
    assert "permission denied to create" in refused.value.what
    assert refused.value.where.endswith("/postgres as plain_admin")
    assert "CREATEROLE and CREATEDB" in refused.value.next.replace(", ", " and ")


def test_a_server_that_is_not_there_is_told_so(fresh: TestServer) -> None:
    away = dataclasses.replace(fresh.access(), url=dataclasses.replace(fresh.access().url, port=1))
    with pytest.raises(UserError) as refused:
        roles.create(away, settings())
    assert "Connection refused" in refused.value.what
    assert refused.value.where == "127.0.0.1:1/postgres as infraops_admin"
    assert fresh.wanted.admin_password not in str(refused.value)


def test_a_database_of_somebody_elses_is_left_alone(fresh: TestServer) -> None:
    run(fresh.access(), f"create database {roles.DATABASE}")
    with pytest.raises(UserError, match="belongs to infraops_admin"):
        roles.create(fresh.access(), settings())


@pytest.mark.parametrize("tenant", ["default", "o'neil", "a\\b", 'x"; drop role infraops_app; --', "%s {app}"])
def test_a_tenant_is_never_read_as_sql(fresh: TestServer, tenant: str) -> None:
    asked = settings(tenant=tenant)
    for _ in range(2):
        roles.create(fresh.access(), asked)
    assert ask(AuditDatabase(fresh, asked).access(roles.APP), "select current_setting('infraops.tenant')") == tenant


def test_the_settings_do_not_show_the_passwords() -> None:
    asked = settings()
    assert not any(password in repr(asked) for password in asked.passwords.values())
