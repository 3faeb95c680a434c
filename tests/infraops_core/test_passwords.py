"""Passwords that no human types."""

import re
from urllib.parse import quote

import pytest

from infraops_core import passwords
from tests.fix_postgres import TestServer


def test_a_password_is_long_and_needs_no_escaping_in_a_url() -> None:
    for password in (passwords.generate() for _ in range(100)):
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", password)
        assert quote(password, safe="") == password


def test_no_password_comes_twice() -> None:
    assert len({passwords.generate() for _ in range(1000)}) == 1000


def test_what_a_server_keeps_fits_its_password_and_no_other(postgres: TestServer) -> None:
    password = passwords.generate()
    with postgres.access().connect(seconds=30) as connection, connection.transaction(force_rollback=True):
        connection.execute(f"create role verified password '{password}'".encode())
        row = connection.execute("select rolpassword from pg_authid where rolname = 'verified'").fetchone()
    assert row is not None
    assert passwords.fits(password, row[0])
    assert not passwords.fits(passwords.generate(), row[0])
    assert not passwords.fits("", row[0])


@pytest.mark.parametrize(
    "verifier",
    [
        "",
        "md5c2a5ec4d7a6a1d4cf0c6e0a0f0b1f0a1",
        "SCRAM-SHA-256$4096:AAAA$AAAA",
        "SCRAM-SHA-256$x:AAAA$AAAA:AAAA",
        "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
    ],
)
def test_what_is_no_verifier_of_the_password_fits_nothing(verifier: str) -> None:
    assert not passwords.fits("anything", verifier)
