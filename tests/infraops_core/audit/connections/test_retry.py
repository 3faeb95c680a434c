"""Which errors are tried again, and how long."""

import time

import psycopg
import pytest

from infraops_core.audit.connections import retry
from infraops_core.audit.connections.retry import Chance, Retry
from infraops_core.errors import UserError


@pytest.mark.parametrize(
    ("code", "chance"),
    [
        ("08000", Chance.CONNECTION), ("08006", Chance.CONNECTION), ("08P01", Chance.CONNECTION),
        ("57P01", Chance.CONNECTION), ("57P02", Chance.CONNECTION), ("57P03", Chance.CONNECTION), ("57P05", Chance.CONNECTION),
        ("25006", Chance.CONNECTION), ("25P03", Chance.CONNECTION),
        ("40001", Chance.TURN), ("40P01", Chance.TURN), ("55P03", Chance.TURN), ("53100", Chance.TURN), ("53300", Chance.TURN),
        ("28000", Chance.SOURCE), ("28P01", Chance.SOURCE), ("42501", Chance.SOURCE), ("3D000", Chance.SOURCE),
        ("23505", Chance.NONE), ("23514", Chance.NONE), ("23502", Chance.NONE), ("23001", Chance.NONE), ("22P02", Chance.NONE),
        ("42601", Chance.NONE), ("42703", Chance.NONE), ("42P01", Chance.NONE), ("42883", Chance.NONE), ("57014", Chance.NONE),
        ("25P02", Chance.NONE), ("0A000", Chance.NONE), ("XX000", Chance.NONE), ("P0001", Chance.NONE), ("55000", Chance.NONE),
    ],
)  # fmt: skip
def test_what_may_mend_an_error(code: str, chance: Chance) -> None:
    error = psycopg.errors.lookup(code)() if code not in ("57P05", "25P03") else psycopg.OperationalError()
    error.sqlstate = code
    assert retry.of_operation(error, connection_lost=False) is chance
    assert retry.of_operation(error, connection_lost=True) is Chance.CONNECTION


@pytest.mark.parametrize(
    ("said", "chance"),
    [
        ('connection to server at "127.0.0.1", port 1 failed: Connection refused', Chance.CONNECTION),
        ("failed to resolve host 'db': [Errno -3] Temporary failure in name resolution", Chance.CONNECTION),
        ("db:5432 (10.0.0.1) gave no answer within 5 s", Chance.CONNECTION),
        ("server closed the connection unexpectedly", Chance.CONNECTION),
        ("SSL SYSCALL error: EOF detected", Chance.CONNECTION),
        ("FATAL:  the database system is starting up", Chance.CONNECTION),
        ("FATAL:  the database system is shutting down", Chance.CONNECTION),
        ("FATAL:  the database system is not accepting connections", Chance.CONNECTION),
        ("FATAL:  sorry, too many clients already", Chance.TURN),
        ('FATAL:  too many connections for role "app"', Chance.TURN),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", Chance.TURN),
        ("FATAL:  no more connections allowed (max_client_conn)", Chance.TURN),
        ('FATAL:  password authentication failed for user "app"', Chance.SOURCE),
        ('FATAL:  role "app" is not permitted to log in', Chance.SOURCE),
        ('FATAL:  role "app" does not exist', Chance.SOURCE),
        ('FATAL:  database "old" does not exist', Chance.SOURCE),
        ('FATAL:  permission denied for database "old"', Chance.SOURCE),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', Chance.SOURCE),
        ("server does not support SSL, but SSL was required", Chance.NONE),
        ("SSL error: certificate verify failed", Chance.NONE),
        ('root certificate file "/root/.postgresql/root.crt" does not exist', Chance.NONE),
    ],
)
def test_what_may_mend_a_connection_that_was_not_made(said: str, chance: Chance) -> None:
    assert retry.of_connecting(psycopg.OperationalError(said)) is chance


@pytest.mark.parametrize("can_change", [True, False])
def test_who_is_shut_out_waits_only_where_the_source_may_say_another_place(can_change: bool) -> None:
    tries = Retry(10, source_can_change=can_change)
    assert tries.may_go_on("no", Chance.SOURCE, "h:1/d") is can_change
    assert tries.may_go_on("no", Chance.TURN, "h:1/d")
    assert tries.may_go_on("no", Chance.CONNECTION, "h:1/d")
    assert not tries.may_go_on("no", Chance.NONE, "h:1/d")


def test_pauses_grow_differ_and_end_with_the_deadline() -> None:
    tries = Retry(30, source_can_change=False)
    pauses = [tries.pause() for _ in range(12)]
    for number, pause in enumerate(pauses):
        longest = min(0.01 * 2**number, 1)
        assert longest / 2 <= pause <= longest
    assert len({round(pause, 6) for pause in pauses[-4:]}) > 1
    tries.moved()
    assert tries.pause() <= 0.01
    hurried = Retry(0.001, source_can_change=False)
    time.sleep(0.002)
    assert hurried.pause() <= 0
    assert hurried.is_over


def test_the_end_says_what_how_often_how_long_and_what_was_said_last() -> None:
    tries = Retry(2.5, source_can_change=True)
    tries.may_go_on("first", Chance.CONNECTION, "old:5432/db")
    tries.may_go_on("second", Chance.SOURCE, "new:5432/db")
    tries.source_failed(UserError("the file is gone"))
    end = tries.given_up()
    assert end.what == (
        "the database did not do it within 2.5 s, tried 2 times; last it said: second; the source of the URL failed too: the file is gone"
    )
    assert end.where == "new:5432/db"
    assert end.next == "see that the URL names the live database, and that its role may log in and write there"


def test_an_errors_text_is_one_line_without_passwords() -> None:
    error = psycopg.OperationalError("could not connect to postgresql://u:se-cret@h/db\n\tis it running?\n")
    assert retry.said(error) == "could not connect to postgresql://u:***@h/db is it running?"
