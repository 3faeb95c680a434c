"""A server's certificate, looked at: what it says, whom it is for, who vouches for it; and servers that show none."""

import dataclasses
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infraops_core.certificates import Certificate, look
from infraops_core.database_url import Place
from infraops_core.errors import UserError
from tests.fix_proxy import LOOPBACK, Mode, Proxy
from tests.fix_tls import HOST, OTHER_HOST, TlsServer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GOOD = Certificate(
    tls="TLSv1.3", subject="CN=x", names=("db.example.com", "*.pool.example.com", "10.0.0.1", "2001:db8::1"), issuer="Test CA",
    not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=1), self_signed=False, signature_hash="sha256", trusted=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("db.example.com", True),
        ("DB.Example.COM.", True),
        ("a.pool.example.com", True),
        ("10.0.0.1", True),
        ("2001:db8:0::1", True),
        ("example.com", False),
        ("a.db.example.com", False),
        ("pool.example.com", False),
        (".pool.example.com", False),
        ("a.b.pool.example.com", False),
        ("10.0.0.2", False),
        ("", False),
    ],
)
def test_which_hosts_it_is_for(host: str, fits: bool) -> None:
    assert GOOD.is_for(host) is fits


@pytest.mark.parametrize(
    ("changed", "host", "faults"),
    [
        ({}, "db.example.com", []),
        ({"not_after": NOW - timedelta(hours=1)}, "db.example.com", ["expired on 2026-11-22 11:00 UTC"]),
        ({"not_before": NOW + timedelta(hours=1)}, "", ["is valid from 2026-11-22 13:00 UTC on (this machine's clock may be behind)"]),
        ({"names": ("a", "b")}, "c", ["is for a, b, not for c"]),
        ({"names": ()}, "c", ["is for no name at all, not for c"]),
        ({"names": ("a", "b")}, "", []),
        ({"trusted": None}, "", []),
        ({"trusted": False}, "", ["is signed by Test CA, which the CA file does not vouch for"]),
        ({"trusted": False, "self_signed": True}, "", ["is signed by itself, which the CA file does not vouch for"]),
    ],
)
def test_what_is_wrong_with_it(changed: dict[str, object], host: str, faults: list[str]) -> None:
    assert dataclasses.replace(GOOD, **changed).faults(host, now=NOW) == faults  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "trusted", "fault"),
    [
        ("good", True, ""),
        ("soon expired", True, ""),
        ("expired", True, "expired on"),
        ("wrong host", True, f"is for {OTHER_HOST}, not for {HOST}"),
        ("self-signed", False, "is signed by itself"),
        ("unknown ca", False, "is signed by Another CA"),
    ],
)
def test_each_kind_as_a_server_shows_it(tls_server: TlsServer, kind: str, trusted: bool, fault: str) -> None:
    with tls_server.with_certificate(kind):
        found = look(Place(HOST, tls_server.port), LOOPBACK, ca=str(tls_server.ca))
    assert (found.tls, found.subject, found.trusted, found.signature_hash) == ("TLSv1.3", f"CN={kind}", trusted, "sha256")
    assert bool(found.distrust) is not trusted
    assert "; ".join(found.faults(HOST)).startswith(fault)
    assert bool(found.faults(HOST)) is bool(fault)


def test_without_a_ca_file_nobody_is_asked_for_trust(tls_server: TlsServer) -> None:
    assert look(Place(LOOPBACK, tls_server.port)).trusted is None


def test_this_machines_authorities_do_not_know_it(tls_server: TlsServer) -> None:
    assert look(Place(LOOPBACK, tls_server.port), ca="system").trusted is False


def test_a_server_without_tls(tls_server: TlsServer) -> None:
    with tls_server.with_certificate("none"), pytest.raises(UserError, match="the server has TLS off"):
        look(Place(HOST, tls_server.port), LOOPBACK)


@pytest.mark.parametrize("content", [None, "nothing of the kind"])
def test_a_ca_file_that_is_none(tls_server: TlsServer, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match="the CA file can't be used") as refused:
        look(Place(LOOPBACK, tls_server.port), ca=str(file))
    assert refused.value.where == str(file)


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (Mode.STALL, "there was no answer within 0.5 s"),
        (Mode.RESET, "can't be reached|does not speak"),
        (Mode.HALF_CLOSE, "does not speak"),
    ],
)
def test_a_network_that_fails_ends_in_time(tls_server: TlsServer, mode: Mode, says: str) -> None:
    started = time.monotonic()
    with Proxy(tls_server.port, mode) as proxy, pytest.raises(UserError, match=says):
        look(Place(LOOPBACK, proxy.port), seconds=0.5)
    assert time.monotonic() - started < 3


def test_nobody_there() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UserError, match="can't be reached"):
        look(Place(LOOPBACK, port))
    with pytest.raises(UserError, match="can't be reached"):
        look(Place("a..b", port))
