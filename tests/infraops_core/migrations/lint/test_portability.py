"""Each of our rules on a real server: what breaks it is found at its statement, what is like it and right is not."""

import pytest

from infraops_core import roles
from infraops_core.migrations.lint import portability
from infraops_core.migrations.lint.findings import Level
from infraops_core.migrations.lint.rules import RULES
from infraops_core.servers.scratch import Scratch
from tests.infraops_core.migrations.lint.conftest import Write

KEY = "id uuid primary key"
FENCED = "revoke execute on function f() from public"
BODY = "language sql as $$ select 1 $$"
DEFINER = "security definer language sql set search_path = pg_catalog, pg_temp as $$ select 1 $$"


def found(server: Scratch, write: Write, *blocks: str) -> list[tuple[str, int]]:
    """Rule and line of each finding, all blocks judged; a block's first line is line 2 of its file."""
    migrations = write(*blocks)
    return sorted((finding.rule, finding.line) for finding in portability.check(migrations, migrations, server))


BAD = [
    ("extension", "create extension sslinfo", "extension sslinfo"),
    ("extension", "create extension aws_s3", "extension aws_s3"),
    ("extension", "create function f() returns int language plpython3u as $$ return 1 $$", "extension plpython3u"),
    ("extension", "create extension seg", "extension seg"),
    ("extension-type", f"create extension hstore;\ncreate table t ({KEY}, h hstore)", "column public.t.h is of type public.hstore"),
    ("extension-type", f"create extension citext;\ncreate table t ({KEY}, h citext[])", "column public.t.h is of type public.citext"),
    ("own-type", f"create type mood as enum ('a');\ncreate table t ({KEY}, m mood)", "column public.t.m is of type public.mood"),
    ("own-type", f"create domain d as text;\ncreate table t ({KEY}, m d[])", "column public.t.m is of type public.d"),
    ("own-type", f"create table t ({KEY}, n information_schema.cardinal_number)", "information_schema.cardinal_number"),
    ("provider-role", "create schema s;\ngrant usage on schema s to rds_superuser", "role rds_superuser"),
    ("provider-role", f"create table t ({KEY});\ncreate policy p on t to authenticated using (true)", "role authenticated"),
    ("provider-role", f"create table t ({KEY});\nalter table t owner to neon_superuser", "role neon_superuser"),
    ("provider-function", f"create table t ({KEY});\nalter table t add u uuid default auth.uid()", 'auth (schema "auth" does not exist)'),
    ("provider-function", "create schema s;\nselect aws_commons.create_s3_uri('b', 'k', 'r')", "aws_commons"),
    (
        "provider-function",
        'create schema s;\ncreate function f() returns int language plpgsql as \'begin return "auth"."uid"(); end\'',
        "uses auth",
    ),
    ("provider-function", "create schema s;\nselect cron.schedule('* * * * *', 'select 1')", "cron"),
    ("provider-function", f"create table t ({KEY});\nselect aws_s3.query_export_to_s3('t', null::aws_commons._s3_uri_1)", "aws_commons"),
    (
        "provider-function",
        "create schema s;\ncreate function s.f() returns void language plpgsql as $$ begin perform net.http_post('x'); end $$",
        "function s.f() uses net",
    ),
    ("primary-key", "create schema s;\ncreate table s.t (id uuid)", "table s.t"),
    ("primary-key", "create schema s;\ncreate table s.t (id uuid unique)", "table s.t"),
    ("primary-key", f"create table t ({KEY});\nalter table t drop constraint t_pkey", "table public.t"),
    ("unlogged-table", f"create schema s;\ncreate unlogged table s.t ({KEY})", "table s.t"),
    ("tablespace", f"create schema s;\ncreate table s.t ({KEY}) tablespace fast", "tablespace fast"),
    ("forced-row-security", f"create table t ({KEY});\nalter table t force row level security", "table public.t"),
    ("identity-always", "create schema s;\ncreate table t (id bigint generated always as identity primary key)", "column public.t.id"),
    ("large-object", "create schema s;\nselect lo_create(42)", "large object 42"),
    ("large-object", f"create schema s;\ncreate table t ({KEY}, picture oid)", "column public.t.picture is of type oid"),
    (
        "definer-search-path",
        f"create function f() returns int security definer {BODY.replace('$$ select', '$$ select ')};\nselect 1",
        "function public.f()",
    ),
    ("definer-public", f"create schema s;\ncreate function f(a int, b text) returns int {DEFINER}", "function public.f(a integer, b text)"),
    (
        "definer-app",
        f"create function f() returns int {DEFINER}; {FENCED};\ngrant execute on function f() to infraops_app",
        "function public.f()",
    ),
    ("collation", f"create schema s;\ncreate table t ({KEY}, n text collate pg_c_utf8)", "column public.t.n has collation"),
    ("collation", f"create table t ({KEY}, n text);\ncreate index i on t (n collate pg_c_utf8)", "index public.i has collation"),
    ("collation", "create schema s;\ncreate collation s.german (provider = builtin, locale = 'C.UTF-8')", "collation german"),
    ("publication", f"create table t ({KEY});\ncreate publication p for table t", "publication p"),
    ("database-setting", "create schema s;\nalter database infraops set work_mem = '1GB'", "work_mem=1GB of infraops"),
    (
        "database-setting",
        "create schema s;\nalter role infraops_owner set work_mem = '1GB'",
        "work_mem=1GB of every database for infraops_owner",
    ),
    ("foreign-server", "create extension postgres_fdw;\ncreate server x foreign data wrapper postgres_fdw", "server x"),
    ("needs-superuser", "create schema s;\ncreate role someone", "permission denied to create role"),
    ("needs-superuser", "create schema s;\nset session_replication_role = replica", "permission denied to set parameter"),
    ("needs-superuser", "create schema s;\ncreate extension pg_stat_statements", "permission denied to create extension"),
    (
        "needs-superuser",
        "create schema s;\ncreate subscription x connection 'host=x' publication y with (connect = false)",
        "permission denied to create subscription",
    ),
    (
        "needs-superuser",
        "create function f() returns event_trigger language plpgsql as $$ begin end $$;\n"
        "create event trigger e on ddl_command_end execute function f()",
        "permission denied to create event trigger",
    ),
    ("needs-superuser", "transaction:false\nalter system set work_mem = '1GB'", "permission denied to set parameter"),
    ("does-not-apply", "create schema s;\nselec 1", 'syntax error at or near "selec"'),
    ("does-not-apply", "create schema s;\nvacuum", "VACUUM cannot run inside a transaction block"),
    ("does-not-apply", "create schema s;\ngrant usage on schema s to nobody_we_know", 'role "nobody_we_know" does not exist'),
    ("does-not-apply", "create schema s;\ncommit", "ended its own transaction"),
    ("does-not-apply", "create schema s;\nselect pg_terminate_backend(pg_backend_pid())", "terminating connection"),
    ("not-checked", "create schema s;\ncreate extension vector", "no extension vector"),
    ("not-checked", "create schema s;\nset local statement_timeout = 1", "the catalogs could not be read after it (canceling statement"),
]


@pytest.mark.parametrize(("rule", "sql", "what"), BAD)
def test_what_breaks_a_rule_is_found_at_its_statement(server: Scratch, write: Write, rule: str, sql: str, what: str) -> None:
    migrations = write(sql)
    [finding] = [one for one in portability.check(migrations, migrations, server) if one.rule == rule]
    assert what in finding.reason
    assert finding.reason.endswith(RULES[rule].why) or rule == "does-not-apply"
    assert finding.level == RULES[rule].level
    last = 2 + sql.count("\n") if rule != "definer-search-path" else 2
    assert finding.line == last or (rule.startswith("extension") and finding.line >= 2)


@pytest.mark.parametrize(
    "sql",
    [
        f"create table t ({KEY}, a text, b jsonb, c timestamptz, d numeric(9, 2)[], e inet, f tsvector, g int4range, h bytea)",
        "create table t (id bigint generated by default as identity primary key)",
        "create extension pg_trgm; create extension pgcrypto; create extension btree_gist; create extension hstore",
        f'create table t ({KEY}, n text collate "C", m text collate "default"); create index i on t (n collate "POSIX")',
        f"create table t ({KEY}); alter table t enable row level security; create policy p on t to infraops_readonly using (true)",
        f"create function f() returns int {BODY}",
        f"create function f() returns int {DEFINER}; {FENCED}; grant execute on function f() to infraops_readonly",
        f"create table t ({KEY}, at date) ; create view v as select * from t; create materialized view m as select * from t",
        "create table t (id uuid, at date, primary key (id, at)) partition by range (at); create table t1 partition of t default",
        "create schema auth; create function auth.uid() returns uuid language sql as $$ select null::uuid $$; "
        "create function f() returns uuid language plpgsql as $$ begin return auth.uid(); end $$",
        "create function f() returns int language plpgsql as $$ begin /* not net.x() */ -- nor cron.x()\nreturn 1; end $$",
        "do $$ begin if exists (select from pg_roles where rolname = 'rds_iam') then grant rds_iam to infraops_owner; end if; end $$",
        "set local work_mem = '1GB'; select '100%', '%s', ':app'",
        "create temporary table t (a int)",
        f"transaction:false\ncreate table t ({KEY}, n text); create index concurrently i on t (n); vacuum t",
        "set search_path = ''; create schema s",
        "",
    ],
)
def test_what_is_right_is_not_found(server: Scratch, write: Write, sql: str) -> None:
    assert found(server, write, sql) == []


@pytest.mark.parametrize(
    "blocks",
    [
        ["create table t (id uuid);\nalter table t add primary key (id)"],
        ["create table t (id uuid)", "alter table t add primary key (id)"],
        [f"create unlogged table t ({KEY})", "alter table t set logged"],
        [f"create function f() returns int {DEFINER}", "revoke execute on function f() from public"],
        ["create type m as enum ('a'); create table t (id m primary key)", "drop table t"],
    ],
)
def test_what_is_mended_later_is_no_finding(server: Scratch, write: Write, blocks: list[str]) -> None:
    assert found(server, write, *blocks) == []


def test_only_what_is_judged_is_told(server: Scratch, write: Write) -> None:
    migrations = write(
        "create table a (id uuid);\ngrant select on a to rds_iam", "create table b (id uuid)", "create unlogged table c (id uuid)"
    )
    told = portability.check(migrations, migrations[1:], server)
    assert [(one.place, one.rule) for one in told] == [("2_m.sql:2:1", "primary-key"), ("3_m.sql:2:1", "primary-key"),
                                                       ("3_m.sql:2:1", "unlogged-table")]  # fmt: skip


def test_a_missing_role_or_right_does_not_hide_what_follows(server: Scratch, write: Write) -> None:
    assert found(
        server,
        write,
        "create schema s;\ngrant usage on schema s to rds_iam;\ncreate extension sslinfo;\ncreate extension postgres_fdw;\n"
        "create server elsewhere foreign data wrapper postgres_fdw;\ncreate foreign table s.f (a int) server elsewhere;\n"
        "create table s.t (id uuid);",
    ) == [("extension", 4), ("foreign-server", 6), ("foreign-server", 7), ("needs-superuser", 5), ("primary-key", 8), ("provider-role", 3)]


def test_what_could_not_be_checked_is_said(server: Scratch, write: Write) -> None:
    migrations = write("create schema s;\nselect nope;\ncreate table t (id uuid);\nselect 2", "create table u (id uuid)")
    failed, unknown = portability.check(migrations, migrations, server)
    assert (failed.place, failed.rule) == ("1_m.sql:3:8", "does-not-apply")
    assert (unknown.place, unknown.rule, unknown.level) == ("1_m.sql:4:1", "not-checked", Level.WARNING)
    assert "2 statements of this file and 1 later migration went unchecked" in unknown.reason
    assert "1_m.sql" in unknown.reason


def test_an_old_migration_that_cannot_be_applied_here_is_said(server: Scratch, write: Write) -> None:
    migrations = write("create extension aws_s3", "create table u (id uuid)")
    [unknown] = portability.check(migrations, migrations[1:], server)
    assert (unknown.place, unknown.rule) == ("2_m.sql:2:1", "not-checked")
    assert "1_m.sql could not be applied" in unknown.reason


def test_a_deferred_constraint_has_its_say(server: Scratch, write: Write) -> None:
    bad = "create table t (id int primary key, up int references t deferrable initially deferred);\ninsert into t values (1, 2);"
    assert found(server, write, bad) == [("does-not-apply", 3)]


def test_the_migrations_are_applied_as_the_owner(server: Scratch, write: Write) -> None:
    migrations = write(f"create table t ({KEY}, who name default current_user); insert into t values (gen_random_uuid())")
    assert portability.check(migrations, migrations, server) == []
    with server.admin.connect(seconds=10, database=roles.DATABASE) as connection:
        assert connection.execute("select who, tableowner from t, pg_tables where tablename = 't'").fetchall() == [(roles.OWNER,) * 2]


def test_every_rule_has_a_bad_example() -> None:
    shown = {rule for rule, *_ in BAD}
    assert shown | {"waiver"} == set(RULES)
