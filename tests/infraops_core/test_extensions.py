"""Extensions on real servers, among them one that has pgvector and one that has uuid-ossp."""

import dataclasses
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from infraops_core import extensions, passwords, roles
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.servers.embedded import binaries
from tests.fix_postgres import TestServer

ROLES = (roles.OWNER, roles.APP, roles.READONLY)


def settings(*names: str) -> roles.RoleSettings:
    return roles.RoleSettings({role: passwords.generate() for role in ROLES}, "default", 5, extensions=names)


def run(access: Access, *statements: str, database: str = "") -> list[tuple[object, ...]]:
    with access.connect(seconds=30, database=database) as connection:
        for statement in statements:
            found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


def made(access: Access) -> set[str]:
    found = run(access, "select extname::text from pg_extension", database=roles.DATABASE)
    return {str(name) for (name,) in found} - {"plpgsql"}


@pytest.fixture
def fresh(postgres: TestServer) -> Iterator[Access]:
    """A server that has none of the roles, as its admin."""
    drop = (f"drop database if exists {roles.DATABASE} with (force)", f"drop role if exists {', '.join(ROLES)}")
    run(postgres.access(), *drop)
    yield postgres.access()
    run(postgres.access(), *drop)


def test_they_are_made_in_the_database_and_a_second_run_changes_nothing(fresh: Access) -> None:
    for _ in range(2):
        roles.create(fresh, settings("pgcrypto", "pg_trgm"))
        assert made(fresh) == {"pgcrypto", "pg_trgm"}
    assert run(fresh, "select encode(digest('a', 'sha1'), 'hex') ~ '^86f7', similarity('word', 'two words')::text",
               database=roles.DATABASE) == [(True, "0.36363637")]  # fmt: skip


def test_one_that_another_needs_comes_with_it(fresh: Access) -> None:
    roles.create(fresh, settings("earthdistance"))
    assert made(fresh) == {"cube", "earthdistance"}


def test_one_that_is_asked_for_no_more_stays(fresh: Access) -> None:
    roles.create(fresh, settings("pg_trgm"))
    roles.create(fresh, settings())
    assert made(fresh) == {"pg_trgm"}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("vector",), "the server has no extension vector; nothing was changed"),
        (("pgcrypto", "uuid-ossp", "vector"), "the server has no extensions uuid-ossp, vector; nothing was changed"),
        (('x"; drop role infraops_admin; --',), 'the server has no extension x"; drop role infraops_admin; --; nothing was changed'),
    ],
)
def test_what_the_server_has_not_is_refused_before_anything_changes(fresh: Access, names: tuple[str, ...], told: str) -> None:
    with pytest.raises(UserError) as refused:
        roles.create(fresh, settings(*names))
    assert refused.value.what == told
    assert refused.value.where.startswith("infraops:extensions, ")
    assert run(fresh, f"select rolname from pg_roles where rolname in ('{roles.OWNER}', '{roles.APP}')") == []


def test_an_admin_without_superuser_makes_the_trusted_ones_and_is_told_of_others(fresh: Access) -> None:
    run(fresh, "create role plain_admin login createrole createdb password 'plain'")
    plain = Access(dataclasses.replace(fresh.url, user="plain_admin", password="plain"), fresh.tls)
    try:
        roles.create(plain, settings("pgcrypto", "pg_trgm"))
        assert made(fresh) == {"pgcrypto", "pg_trgm"}
        with pytest.raises(UserError) as refused:
            roles.create(plain, settings("pg_trgm", "dblink", "pageinspect"))
        assert 'extension dblink could not be made: permission denied to create extension "dblink"' in refused.value.what
        assert "create extension dblink" in refused.value.next
    finally:
        run(fresh, f"drop database if exists {roles.DATABASE} with (force)", f"drop role if exists {', '.join(ROLES)}")
        run(fresh, "drop owned by plain_admin", "drop role plain_admin")


def test_vectors_are_kept_and_found_by_an_index(postgres_18: Access) -> None:
    asked = settings("vector")
    roles.create(postgres_18, asked)
    url = dataclasses.replace(postgres_18.url, user=roles.OWNER, password=asked.passwords[roles.OWNER], database=roles.DATABASE)
    with Access(url, postgres_18.tls).connect(seconds=30) as connection:
        connection.execute("create table knowledge (id int primary key, embedding vector(1536))")
        some = "(select array_agg(sin(n * i)) from generate_series(1, 1536) i)::vector"
        connection.execute(f"insert into knowledge select n, {some} from generate_series(1, 300) n".encode())
        connection.execute("create index on knowledge using ivfflat (embedding vector_cosine_ops) with (lists = 10)")
        connection.execute("set ivfflat.probes = 10")
        connection.execute("set enable_seqscan = off")
        nearest = "select id from knowledge order by embedding <=> (select embedding from knowledge where id = 42) limit 1"
        plan = "\n".join(line for (line,) in connection.execute(f"explain {nearest}".encode()).fetchall())
        assert "knowledge_embedding_idx" in plan
        assert connection.execute(nearest.encode()).fetchall() == [(42,)]
        with pytest.raises(psycopg.errors.DataException):
            connection.execute("insert into knowledge values (0, '[1, 2, 3]')")


def test_uuids_on_postgres_15(postgres_15: Access) -> None:
    for _ in range(2):
        roles.create(postgres_15, settings("uuid-ossp", "pgcrypto", "pg_trgm"))
    assert made(postgres_15) == {"uuid-ossp", "pgcrypto", "pg_trgm"}
    found = run(postgres_15, "select uuid_generate_v5(uuid_ns_dns(), 'a.example')::text", database=roles.DATABASE)
    assert found == [(str(uuid.uuid5(uuid.NAMESPACE_DNS, "a.example")),)]


def test_programs_tell_what_they_have_before_there_is_a_server() -> None:
    folder = binaries.find([17], None).extensions()
    extensions.check_installed(folder, ("pgcrypto", "pg_trgm"))
    extensions.check_installed(folder / "nowhere", ("vector",))
    with pytest.raises(UserError, match="the server has no extension vector; nothing was changed"):
        extensions.check_installed(folder, ("pgcrypto", "vector"))
