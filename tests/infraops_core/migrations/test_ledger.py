"""The ledger's table is dbmate's with columns of ours, made when they are missing and only then."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infraops_core.access import Access
from infraops_core.migrations import files, ledger, over_psycopg, runner
from infraops_core.migrations.over_psycopg import PsycopgTransport
from infraops_core.migrations.transport import Transport, Value
from tests.fix_postgres import TestServer

LINES = ["version character varying not null", "checksum text", "applied_at timestamp with time zone default now()",
         "milliseconds double precision", "applied_by text default CURRENT_USER"]  # fmt: skip
COLUMNS = """
select concat_ws(' ', attname, format_type(atttypid, null), case when attnotnull then 'not null' end,
                 'default ' || pg_get_expr(adbin, adrelid))
from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
where attrelid = 'schema_migrations'::regclass and attnum > 0 order by attnum
"""


@pytest.fixture
def database(postgres: TestServer, empty_database: str) -> Access:
    return postgres.access(database=empty_database)


@pytest.fixture
def migrations(tmp_path: Path) -> list[files.Migration]:
    for number in (1, 2):
        (tmp_path / f"{number}_a.sql").write_text(f"-- migrate:up\ncreate table a{number} ();\n-- migrate:down\ndrop table a{number};\n")
    return files.read(tmp_path)


def query(access: Access, statement: str) -> list[tuple[object, ...]]:
    with access.connect(seconds=30) as connection:
        return connection.execute(statement.encode()).fetchall()


def run_alone(access: Access, *statements: str) -> None:
    with access.connect(seconds=30) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.parametrize(
    "before",
    [
        [],
        ["create table schema_migrations (version varchar primary key)"],
        ["create table schema_migrations (version varchar(255) primary key)"],
        ["create table schema_migrations (version varchar primary key)", "alter table schema_migrations add checksum text"],
        [*ledger.DDL],
        [*ledger.DDL, *ledger.DDL],
    ],
)
def test_what_is_missing_of_it_is_made(database: Access, migrations: list[files.Migration], before: list[str]) -> None:
    run_alone(database, *before)
    before_all = query(database, "select oid from pg_class where relname = 'schema_migrations'")
    assert len(list(runner.apply(database, migrations))) == 2
    assert [row[0] for row in query(database, COLUMNS)] == LINES
    assert query(database, "select oid from pg_class where relname = 'schema_migrations'")[: len(before_all)] == before_all


def test_what_it_says_of_each(database: Access, migrations: list[files.Migration]) -> None:
    began = datetime.now(UTC)
    durations = {applied.migration.version: applied.milliseconds for applied in runner.apply(database, migrations)}
    with over_psycopg.opened(database, seconds=20) as transport:
        found = ledger.read(transport)
    assert found.is_whole
    assert found.under_way == []
    assert list(found.entries) == ["1", "2"]
    for migration in migrations:
        entry = found.entries[migration.version]
        assert entry.checksum == migration.checksum
        assert entry.applied_at is not None
        assert abs(entry.applied_at - began) < timedelta(seconds=20)
        assert entry.milliseconds is not None
        assert 0 < entry.milliseconds <= durations[migration.version]
        assert entry.applied_by == "infraops_admin"


def test_rows_of_dbmate_say_no_more_than_dbmate_knew(database: Access, migrations: list[files.Migration]) -> None:
    run_alone(database, "create table schema_migrations (version varchar primary key)", "insert into schema_migrations values ('1')",
              "create table a1 ()")  # fmt: skip
    before = runner.status(database, migrations)
    list(runner.apply(database, migrations))
    after = runner.status(database, migrations)
    assert before[0] == after[0]
    assert (after[0].applied_at, after[0].milliseconds, after[0].applied_by, after[0].is_checksum_known) == (None, None, None, False)
    assert after[1].is_checksum_known


def test_a_half_made_ledger_is_never_left(database: Access, migrations: list[files.Migration], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "DDL", (*ledger.DDL[:4], "selec"))
    with pytest.raises(Exception, match="syntax error"):
        list(runner.apply(database, migrations))
    assert query(database, "select count(*) from pg_class where relname ~ 'schema_migrations'") == [(0,)]


def test_nothing_to_do_is_three_round_trips_and_no_lock(
    database: Access, migrations: list[files.Migration], monkeypatch: pytest.MonkeyPatch
) -> None:
    list(runner.apply(database, migrations))
    sent: list[str] = []
    run = PsycopgTransport.run

    def counted(self: PsycopgTransport, sql: str, parameters: tuple[Value, ...] = (), *, within: str = "") -> list[tuple[object, ...]]:
        sent.append(sql)
        return run(self, sql, parameters, within=within)

    monkeypatch.setattr(PsycopgTransport, "run", counted)
    with database.connect(seconds=30) as other:
        other.execute("select pg_advisory_lock(%s)", [ledger.LOCK_KEY])
        other.execute("begin; lock table schema_migrations, schema_migrations_under_way in share row exclusive mode")
        assert list(runner.apply(database, migrations)) == []
    assert len(sent) == 3  # and one before, that shows that there is no pooler
    assert all(sql.strip().startswith("select") for sql in sent)


def test_the_transport_is_one(database: Access) -> None:
    with over_psycopg.opened(database, seconds=20) as opened:
        transport: Transport = opened
        transaction = transport.begin(afresh=True)
        assert transport.run("select $1::text, $2::int, $3::float8, $4::bool, $5::text", ["a", 1, 1.5, True, None], within=transaction) == [
            ("a", 1, 1.5, True, None)
        ]
        assert transport.run("select '%', '%s', '$1', ':a'", within=transaction) == [("%", "%s", "$1", ":a")]
        transport.rollback(transaction)
        transport.rollback(transaction)
