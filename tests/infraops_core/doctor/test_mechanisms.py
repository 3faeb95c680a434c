"""The ways in that a server's first message offers; whatever bytes come, an answer or `Unchecked`."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infraops_core.doctor.check import Unchecked
from infraops_core.doctor.mechanisms import read


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def read_bytes(data: bytes) -> list[str]:
    at = 0

    def receive(count: int) -> bytes:
        nonlocal at
        if at + count > len(data):
            raise Unchecked("the server ended the connection")
        at += count
        return data[at - count : at]

    return read(receive)


@pytest.mark.parametrize(
    ("data", "offered"),
    [
        (message(b"R", b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]),
        (message(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"), ["SCRAM-SHA-256"]),
        (message(b"R", b"\0\0\0\x05salt"), ["md5"]),
        (message(b"R", b"\0\0\0\x03"), ["a password in clear"]),
        (message(b"R", b"\0\0\0\0"), ["trust"]),
        (message(b"R", b"\0\0\0\x07"), ["way 7"]),
    ],
)
def test_what_is_offered(data: bytes, offered: list[str]) -> None:
    assert read_bytes(data) == offered


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (message(b"E", b"SFATAL\0C28000\0Mno pg_hba.conf entry\0\0"), "refuses before any log-in: no pg_hba.conf entry"),
        (message(b"E", b"SFATAL\0\0"), "it does not say why"),
        (b"HTTP/1.1 400", "does not speak as Postgres does"),
        (b"R\0\0\0\x04", "does not speak as Postgres does"),
        (b"R\x7f\xff\xff\xff", "does not speak as Postgres does"),
        (b"R\0", "ended the connection"),
    ],
)
def test_what_is_no_offer(data: bytes, says: str) -> None:
    with pytest.raises(Unchecked, match=says):
        read_bytes(data)


@given(st.binary(max_size=60))
def test_any_bytes_at_all(data: bytes) -> None:
    with suppress(Unchecked):
        assert all(isinstance(name, str) for name in read_bytes(data))
