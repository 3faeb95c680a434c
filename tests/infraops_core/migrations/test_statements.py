"""A script is split where Postgres and psql split it, and nowhere else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.pq import ExecStatus

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import statements
from infraops_core.migrations.statements import place, split
from tests.campaign import times
from tests.fix_postgres import TestServer
from tests.infraops_core.migrations.client import client

ATOMIC = "create function f(a int) returns int begin atomic select 1; select case when a > 0 then 1 else 2 end; end"

# Every statement runs on an empty database, in this order.
WHOLE = [
    "select 1",
    "select ';'",
    "select 'it''s; '",
    "select '\\', 2",
    "select E'\\';', 2",
    "select e'\\\\'",
    "select E'''\\\\', '\\'",
    "select 'one'\n  'two;'",
    "select U&'\\0061;'",
    "select U&'\\0061\\\\''; '",
    'select 1 as "a;""b"',
    'select 1 as U&"\\0061;"',
    "select b'01', x'1F', n';'",
    "select $$;$$",
    "select $a$ $$ ; $b$ $a$",
    "select $é1$;$é1$",
    "select 1 as a$1, 2 as b$$",
    "do $$ begin perform 1; end $$",
    "select /* ; /* ; */ ; */ 1",
    "select 1 -- ; '\n + 1",
    "select 3 -/**/- 1",
    "select 1 */**/ 2",
    "create table t (a int, b text default ';')",
    "create rule r as on insert to t do also (select 1; select 2)",
    "prepare p as select $1::int, $2::text",
    ATOMIC,
    ATOMIC.replace("create function f(", "create or replace function f("),
    "create procedure p(a int)\nBEGIN /* here */ ATOMIC\n insert into t values (a);\n END",
    "create function g() returns void language sql begin atomic end",
    "select begin from (select 1 as begin) as atomic",
    "create view begin as select 1 as begin, 2 as atomic",
    "(select 1) union (select 2)",
    "select (array[1, 2])[1:2]",
    "copy t from '/dev/null'",
    "table t",
    "select 'é', '\U0001f418;'",
]
# psql reads a line at a time and loses an escaped string that goes on in another, and takes every END for one; the server does not.
NOT_BY_PSQL = [
    "create function h() returns int begin atomic select 1 as end; select t.end from (select 2 as end) t; end",
    "select E'one' -- with a comment; between\n  -- and another;\n '\\';'",
    "select E'one'\n\t'two\\';'",
]


@pytest.fixture
def database(postgres: TestServer, empty_database: str) -> Access:
    return postgres.access(database=empty_database)


@pytest.mark.parametrize("statement", WHOLE + NOT_BY_PSQL)
def test_a_statement_is_left_whole(statement: str) -> None:
    for script in (statement, f"{statement};", f"\n -- why;\n/* ' */ {statement} /* ; */ -- $$\n;\n;;\n"):
        [found] = split(script)
        assert found.text == statement
        assert script[found.start :].startswith(statement)


def test_the_server_takes_each_as_one_statement(database: Access) -> None:
    """What is sent by the extended protocol may hold one statement only."""
    with database.connect(seconds=30) as connection:
        for statement in split(";\n".join(WHOLE + NOT_BY_PSQL)):
            result = connection.pgconn.exec_params(statement.text.encode(), [])
            assert result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK), f"{statement.text}: {result.error_message.decode()}"


def test_psql_sends_the_same_number(database: Access) -> None:
    """psql says how long each took that it sent."""
    script = ";\n".join(WHOLE)
    ran = client("psql", database, "--no-psqlrc", "--output=/dev/null", "--set=ON_ERROR_STOP=1", stdin=f"\\timing on\n{script};\n")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("Time: ") == len(split(script)) == len(WHOLE)


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("", []),
        (" \n-- nothing\n/* at all */\n", []),
        (";;\n ; ", []),
        ("a", ["a"]),
        ("a;b", ["a", "b"]),
        ("a ; \t\nb ;c", ["a", "b", "c"]),
        ("a\r\n;\r\nb -- c\r;\n", ["a", "b"]),
        ("a); b", ["a)", "b"]),
        ("f((1);\n2); b", ["f((1);\n2)", "b"]),
        ("begin; atomic; end;", ["begin", "atomic", "end"]),
        ("create function f() as $$begin atomic;$$; end", ["create function f() as $$begin atomic;$$", "end"]),
        ("select begin atomic; end", ["select begin atomic", "end"]),
        ("x$a$ ; y$a$", ["x$a$", "y$a$"]),
        ("$1$a$;$a$; b", ["$1$a$;$a$", "b"]),
        ("e';' ; te'\\'; b", ["e';'", "te'\\'", "b"]),
        ("select stdin from stdin; b", ["select stdin from stdin", "b"]),
        ("copy (select a from stdin) to '/f'; b", ["copy (select a from stdin) to '/f'", "b"]),
    ],
)
def test_where_one_ends(script: str, found: list[str]) -> None:
    assert [statement.text for statement in split(script)] == found


@pytest.mark.parametrize(
    ("script", "what", "where"),
    [
        ("select 1;\nselect 'a", "a string (') is never closed", "2:8"),
        ("select 'it''", "a string (') is never closed", "1:8"),
        ("select 'a'\n'b", "a string (') is never closed", "1:8"),
        ("select e'\\'", "a string (') is never closed", "1:8"),
        ('select "a', 'a quoted name (") is never closed', "1:8"),
        ('select "a""', 'a quoted name (") is never closed', "1:8"),
        ("/* a\n/* b */ select", "a comment (/*) is never closed", "1:1"),
        ("do\n  $a$ $$ $b$", "a dollar quote ($a$) is never closed", "2:3"),
        ("select 1;\n\\copy t from 'f'\n", "\\copy is psql's, and no SQL", "2:1"),
        ("select 1 as a \\gset\n", "\\gset is psql's, and no SQL", "1:15"),
        ("select 1\\;select 2", "\\;select is psql's, and no SQL", "1:9"),
        ("  copy t (a, b) from STDIN;\n1\t2\n\\.\n", "COPY FROM STDIN reads its rows from psql", "1:3"),
        ("copy t from stdin with (format csv)", "COPY FROM STDIN reads its rows from psql", "1:1"),
    ],
)
def test_refused_and_where(script: str, what: str, where: str) -> None:
    with pytest.raises(UserError) as refused:
        split(script, file="1_a.sql", first_line=1)
    assert refused.value.what == what
    assert refused.value.where == f"1_a.sql:{where}"
    assert refused.value.next


def test_lines_are_counted_from_where_the_script_begins() -> None:
    with pytest.raises(UserError) as refused:
        split("\n  'a", file="1_a.sql", first_line=7)
    assert refused.value.where == "1_a.sql:8:3"
    assert [place("ab\ncd\n", offset, first_line=3) for offset in range(6)] == [(3, 1), (3, 2), (3, 3), (4, 1), (4, 2), (4, 3)]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ('SELECT/**/a -- b\n, "B""c" ', ["select", "a", ",", '"B""c"']),
        ("do $a$ x $a$", ["do", "$a$ x $a$"]),
        ("e'\\'' 'b''c'", ["e'\\''", "'b''c'"]),
        ("", []),
    ],
)
def test_a_statements_tokens(statement: str, found: list[str]) -> None:
    assert statements.tokens(statement) == found
    assert statements.tokens(statement, limit=1) == found[:1]


LAYOUT = st.lists(st.sampled_from([" ", "\n", "\t", "\r\n", "-- a; 'b\n", "--\n", "/* ; */", "/* /* ' */ $$ */", "/**/"]), max_size=4)


@given(st.lists(st.tuples(st.sampled_from(WHOLE + NOT_BY_PSQL), LAYOUT, LAYOUT)), LAYOUT, st.booleans())
def test_statements_with_anything_around_them_are_found_again(
    parts: list[tuple[str, list[str], list[str]]], end: list[str], is_closed: bool
) -> None:
    script = ";".join("".join([*before, statement, *after]) for statement, before, after in parts)
    script += (";" if is_closed else "") + "".join(end)
    found = split(script)
    assert [statement.text for statement in found] == [statement for statement, _, _ in parts]
    for statement in found:
        assert script[statement.start : statement.start + len(statement.text)] == statement.text


PIECES = st.sampled_from(
    ["'", "''", '"', "$$", "$a$", "$", "\\", "/*", "*/", "--", "\n", ";", " ", "(", ")", "e", "E'", "a", "1", "begin", "atomic", "é", "*"]
)


@settings(max_examples=times(300, 20000))
@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_text_is_split_or_refused_in_words(script: str) -> None:
    try:
        found = split(script, file="f")
    except UserError as refused:
        assert refused.where.startswith("f:")  # noqa: PT017
        return
    for statement in found:
        assert statement.text == script[statement.start : statement.start + len(statement.text)]
        assert split(statement.text) == [statements.Statement(statement.text, 0)]
