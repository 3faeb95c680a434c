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


def test_a_role_that_was_shut_out_is_let_in_again(made: AuditDatabase) -> None:
    run(made.server.access(), f"alter role {roles.APP} nologin valid until '2020-01-01'")
    roles.create(made.server.access(), made.settings)
    assert ask(made.access(roles.APP), "select current_user") == roles.APP


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


def test_a_password_that_stays_keeps_its_verifier_and_another_gets_its_own(fresh: TestServer) -> None:
    asked, kept = settings(), "select rolpassword from pg_authid where rolname = 'infraops_app'"
    roles.create(fresh.access(), asked)
    first = ask(fresh.access(), kept)
    roles.create(fresh.access(), asked)
    assert ask(fresh.access(), kept) == first
    roles.create(fresh.access(), settings())
    assert ask(fresh.access(), kept) != first


def test_an_admin_without_superuser_makes_them_and_the_app_gets_no_default_tenant(
    fresh: TestServer, plain_admin: Access, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        asked = settings()
        roles.create(plain_admin, asked)
        audit = AuditDatabase(fresh, asked)
        test_each_role_gets_in_with_its_own_password(audit)
        assert ask(audit.access(roles.APP), "select current_setting('infraops.tenant', true)") in ("None", "")
        assert "grant set on parameter infraops.tenant to plain_admin" in capsys.readouterr().out
    run(audit.access(roles.OWNER), "create table public.t ()", "create schema s")


def test_an_admin_who_may_keep_the_parameter_gives_the_app_its_tenant(fresh: TestServer, plain_admin: Access) -> None:
    run(fresh.access(), "grant set on parameter infraops.tenant to plain_admin")
    for asked in (settings(), settings(tenant="other")):
        roles.create(plain_admin, asked)
        assert ask(AuditDatabase(fresh, asked).access(roles.APP), "select current_setting('infraops.tenant')") == asked.tenant
    run(fresh.access(), "revoke set on parameter infraops.tenant from plain_admin")


def test_an_admin_without_superuser_needs_no_more_where_the_tenant_is_right(fresh: TestServer, plain_admin: Access) -> None:
    asked = settings()
    roles.create(plain_admin, asked)
    run(fresh.access(), "alter role infraops_app set infraops.tenant = 'default'")
    roles.create(plain_admin, asked)
    assert ask(AuditDatabase(fresh, asked).access(roles.APP), "select current_setting('infraops.tenant')") == "default"


def test_another_tenant_that_the_admin_may_not_change_is_refused(fresh: TestServer, plain_admin: Access) -> None:
    roles.create(plain_admin, settings())
    run(fresh.access(), "alter role infraops_app set infraops.tenant = 'theirs'")
    with pytest.raises(UserError) as refused:
        roles.create(plain_admin, settings())
    assert "the default tenant of infraops_app is theirs" in refused.value.what
    assert "alter role infraops_app set infraops.tenant = 'default'" in refused.value.next


@pytest.fixture
def theirs(fresh: TestServer) -> Iterator[str]:
    """A database that holds other things, with a table of its owner's."""
    run(fresh.access(), "create role they login password 'they'", "create database theirs owner they",
        "revoke connect on database theirs from public")  # fmt: skip
    run(fresh.access("they", "they", "theirs"), "create schema shop", "create table shop.orders (id serial)")
    yield "theirs"
    run(fresh.access(), "drop database theirs with (force)", "drop role they")


def test_in_somebody_elses_database_the_roles_get_in_and_nothing_else_changes(fresh: TestServer, theirs: str) -> None:
    asked = dataclasses.replace(settings(), database=theirs, owns_database=False)
    before = everything(fresh)
    for _ in range(2):
        roles.create(fresh.access(database=theirs), asked)
    for role in ROLES:
        assert ask(fresh.access(role, asked.passwords[role], theirs), "select current_database()") == theirs
    run(fresh.access(roles.OWNER, asked.passwords[roles.OWNER], theirs), "create schema infraops_audit")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(fresh.access(roles.APP, asked.passwords[roles.APP], theirs), "create schema x")
    databases = {row[0]: row[1] for row in everything(fresh) if len(row) == 3}
    assert databases == {row[0]: row[1] for row in before if len(row) == 3}
    run(fresh.access(database=theirs), "drop owned by infraops_owner, infraops_app, infraops_readonly")


def test_an_admin_who_makes_no_databases_brings_the_roles_up_to_date(fresh: TestServer, plain_admin: Access, theirs: str) -> None:
    """Only who has CREATEDB may name it in ALTER ROLE, be it to take away what is not there (Postgres 16 and later)."""
    run(fresh.access(), "alter role plain_admin nocreatedb", "grant they to plain_admin", f"grant create on database {theirs} to they")
    run(fresh.access(database=theirs), "grant usage, create on schema public to plain_admin with grant option")
    asked = dataclasses.replace(settings(), database=theirs, owns_database=False)
    roles.create(plain_admin, asked)
    roles.create(plain_admin, dataclasses.replace(asked, connection_limit=7))
    assert ask(fresh.access(), "select rolconnlimit from pg_roles where rolname = 'infraops_app'") == "7"
    run(fresh.access(), "alter role infraops_app createdb createrole")
    roles.create(fresh.access(), asked)
    assert ask(fresh.access(), "select rolcreatedb or rolcreaterole from pg_roles where rolname = 'infraops_app'") == "False"
    run(fresh.access(database=theirs), "drop owned by infraops_owner, infraops_app, infraops_readonly, plain_admin")


def test_a_database_that_is_not_there_is_refused_before_a_role_is_made(fresh: TestServer) -> None:
    with pytest.raises(UserError, match="there is no database nowhere"):
        roles.create(fresh.access(), dataclasses.replace(settings(), database="nowhere", owns_database=False))
    assert ask(fresh.access(), "select count(*) from pg_roles where rolname like 'infraops\\_o%'") == "0"


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
