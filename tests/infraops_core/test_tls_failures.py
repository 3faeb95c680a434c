"""Every `sslmode` against a real server with every kind of certificate: who gets in, and what is said to the others."""

import dataclasses
import os
import time
from pathlib import Path

import psycopg
import pytest

from infraops_core import providers
from infraops_core.access import Access
from infraops_core.database_url import parse
from infraops_core.errors import UserError
from infraops_core.tls import Tls
from infraops_core.tls_failures import explained
from tests.fix_pgbouncer import pgbouncer
from tests.fix_postgres import TestServer
from tests.fix_proxy import LOOPBACK, Mode, Proxy
from tests.fix_tls import HOST, OTHER_HOST, TlsServer

NO_TLS = "server does not support SSL.*; turn TLS on at the server"
WHAT_LETS_IN = [
    # mode, and for each kind of certificate: True in by TLS, False in without, or what is said
    ("good", {"disable": False, "allow": False, "prefer": True, "require": True, "verify-ca": True, "verify-full": True}),
    ("soon expired", {"verify-full": True}),
    (
        "expired",
        {"prefer": True, "require": True, "verify-ca": "certificate expired on 20..-..-.. ..:.. UTC$", "verify-full": "expired on"},
    ),
    ("wrong host", {"require": True, "verify-ca": True, "verify-full": f"certificate is for {OTHER_HOST}, not for 127.0.0.1$"}),
    (
        "self-signed",
        {
            "require": True,
            "verify-ca": "certificate is signed by itself",
            "verify-full": r"sslrootcert \(now /.*/ca.crt\); sslrootcert=system is for public",
        },
    ),
    ("unknown ca", {"require": True, "verify-ca": "certificate is signed by Another CA, which", "verify-full": "signed by Another CA"}),
    ("none", {"disable": False, "allow": False, "prefer": False, "require": NO_TLS, "verify-ca": NO_TLS, "verify-full": NO_TLS}),
]


@pytest.mark.parametrize(("kind", "modes"), WHAT_LETS_IN, ids=[kind for kind, _ in WHAT_LETS_IN])
def test_who_gets_in(tls_server: TlsServer, kind: str, modes: dict[str, bool | str]) -> None:
    with tls_server.with_certificate(kind):
        for mode, expected in modes.items():
            access = tls_server.access(sslmode=mode, host=LOOPBACK)
            if isinstance(expected, bool):
                assert by_tls(access) is expected, mode
            else:
                with pytest.raises(psycopg.OperationalError, match=expected) as refused:
                    by_tls(access)
                assert access.url.password not in str(refused.value)
                assert "\n" not in str(refused.value)


def by_tls(access: Access, seconds: float = 10) -> bool:
    with access.connect(seconds=seconds) as connection:
        return bool(connection.pgconn.ssl_in_use)


def test_the_right_name_over_another_address(tls_server: TlsServer) -> None:
    assert by_tls(tls_server.access(host=HOST))
    with pytest.raises(psycopg.OperationalError, match=f"is for {HOST}, localhost, 127.0.0.1, not for {OTHER_HOST}$"):
        by_tls(tls_server.access(host=OTHER_HOST))


def test_another_authority_is_named_with_the_file_in_use(tls_server: TlsServer) -> None:
    access = tls_server.access(sslrootcert=str(tls_server.other_ca))
    with pytest.raises(psycopg.OperationalError, match=rf"signed by Test CA, .* sslrootcert \(now {tls_server.other_ca}\)"):
        by_tls(access)
    with pytest.raises(psycopg.OperationalError, match=r"signed by Test CA, .* sslrootcert \(now system\)"):
        by_tls(tls_server.access(sslrootcert="system"))


# Channel binding


def test_channel_binding_with_tls(tls_server: TlsServer) -> None:
    assert by_tls(tls_server.access(channel_binding="require"))


def test_channel_binding_without_tls(tls_server: TlsServer) -> None:
    with tls_server.with_certificate("none"), pytest.raises(psycopg.OperationalError, match="channel_binding=require needs TLS up to"):
        by_tls(tls_server.access(sslmode="prefer", host=LOOPBACK, channel_binding="require"))


def test_channel_binding_through_a_pooler_that_has_none(postgres: TestServer) -> None:
    with pgbouncer(postgres.access(), "transaction") as through:
        bound = dataclasses.replace(through.url, parameters=(("sslmode", "prefer"), ("channel_binding", "require")))
        with pytest.raises(psycopg.OperationalError, match="which some poolers end or lack"):
            by_tls(dataclasses.replace(through, url=bound))


# Files that are not there


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_ca_file_that_is_not_there_is_said_before_anybody_is_called(tls_server: TlsServer, tmp_path: Path, mode: str) -> None:
    with Proxy(tls_server.port) as proxy:
        access = tls_server.access(sslmode=mode, sslrootcert=str(tmp_path / "none.crt"))
        access = dataclasses.replace(access, url=dataclasses.replace(access.url, port=proxy.port))
        with pytest.raises(UserError, match=f"sslmode={mode} needs the certificate of the authority") as refused:
            by_tls(access)
        assert proxy.connections == 0
    assert str(tmp_path / "none.crt") in refused.value.what


def test_the_default_ca_file(tls_server: TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    access = tls_server.access()
    url = dataclasses.replace(access.url, parameters=tuple(pair for pair in access.url.parameters if pair[0] != "sslrootcert"))
    with pytest.raises(UserError, match=r"there is no file .*/\.postgresql/root\.crt"):
        by_tls(Access(url, Tls.VERIFY_FULL))
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").write_bytes(tls_server.ca.read_bytes())
    assert by_tls(Access(url, Tls.VERIFY_FULL))


def test_the_providers_own_authority_is_named(tls_server: TlsServer) -> None:
    rds = "audit.c1.eu-central-1.rds.amazonaws.com"
    with pytest.raises(UserError) as refused:
        by_tls(tls_server.access(host=rds, sslrootcert="/nowhere/ca.pem"))
    assert providers.of(parse(f"postgresql://u@{rds}")).ca in refused.value.next
    with pytest.raises(psycopg.OperationalError, match=r"truststore\.pki\.rds\.amazonaws\.com"):
        by_tls(tls_server.access(host=rds, sslrootcert=str(tls_server.other_ca)))


def test_without_a_check_no_file_is_needed(tls_server: TlsServer) -> None:
    assert by_tls(tls_server.access(sslmode="require", sslrootcert="/nowhere/ca.crt"))


# A network that fails while TLS is agreed upon and while the role logs in


@pytest.mark.parametrize("mode", [Mode.STALL, Mode.RESET, Mode.HALF_CLOSE])
@pytest.mark.parametrize(
    ("sslmode", "after"),
    [("verify-full", 0), ("verify-full", 1), ("verify-full", 200), ("disable", 0), ("disable", 1)],
    ids=["asked for TLS", "TLS begun", "TLS agreed upon", "asked who", "logging in"],
)
def test_a_network_that_fails_on_the_way_in(tls_server: TlsServer, sslmode: str, after: int, mode: Mode) -> None:
    with Proxy(tls_server.port, mode, after=after) as proxy:
        access = tls_server.access(sslmode=sslmode, host=LOOPBACK)
        access = dataclasses.replace(access, url=dataclasses.replace(access.url, port=proxy.port))
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError) as failed:
            by_tls(access, seconds=2)
        waited = time.monotonic() - started
    assert waited < (4 if mode is Mode.STALL else 2)
    told = str(failed.value)
    assert str(proxy.port) in told
    if mode is Mode.STALL:
        assert told == f"{LOOPBACK}:{proxy.port} ({LOOPBACK}) gave no answer within 2 s"
    else:
        assert "server closed the connection" in told or "reset by peer" in told or "SSL error: unexpected eof" in told or "EOF" in told, (
            told
        )


# What is not explained


@pytest.mark.parametrize(
    "said",
    ["Connection refused", "FATAL: connection requires a valid client certificate", "certificate verify failed"],
)
def test_said_as_it_is_where_nothing_more_is_known(tls_server: TlsServer, said: str) -> None:
    with Proxy(tls_server.port, Mode.RESET) as proxy:
        url = dataclasses.replace(tls_server.access().url, port=proxy.port)
        assert explained(said, url, url.places[0], LOOPBACK, seconds=1) == said


def test_a_certificate_is_not_looked_at_when_the_time_is_up(tls_server: TlsServer) -> None:
    url = tls_server.access().url
    assert explained("certificate verify failed", url, url.places[0], LOOPBACK, seconds=0.1) == "certificate verify failed"


# A password that the URL does not have


def test_no_password_is_looked_up_elsewhere(tls_server: TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password = tls_server.access().url.password
    file = tmp_path / ".pgpass"
    file.write_text(f"*:*:*:*:{password}\n")
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGPASSFILE", os.fspath(file))
    monkeypatch.setenv("PGPASSWORD", password)
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        by_tls(tls_server.access(password=""))
    assert by_tls(tls_server.access(password="", passfile=os.fspath(file)))
