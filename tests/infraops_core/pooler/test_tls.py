"""Encryption on both sides of a real PgBouncer."""

import dataclasses
from pathlib import Path

import psycopg
import pytest

from infraops_core import roles
from infraops_core.access import Access
from infraops_core.pooler import folder, ini, listening, plan
from infraops_core.pooler.plan import Urls
from infraops_core.servers import loopback
from infraops_core.tls import Tls
from tests import fix_tls
from tests.fix_pgbouncer import started
from tests.fix_postgres import AuditDatabase, wait_until
from tests.infraops_core.pooler.conftest import urls_of


@pytest.fixture
def papers(audit_database: AuditDatabase, open_folder: Path) -> Path:
    """A server with TLS, and a folder with the authority of its certificate, another authority, and a pooler's own."""
    folder = open_folder / "papers"
    folder.mkdir()
    ca, other = fix_tls.authority("Test CA"), fix_tls.authority("Another CA")
    (folder / "ca.pem").write_bytes(fix_tls.pem(ca.certificate))
    (folder / "other.pem").write_bytes(fix_tls.pem(other.certificate))
    fix_tls.write(audit_database.server.folder.data, "server", fix_tls.Kind(names=("127.0.0.1",)), ca)
    fix_tls.write(folder, "pooler", fix_tls.Kind(names=("localhost",)), ca)
    with audit_database.server.access().connect(seconds=20) as admin:
        for name, value in (("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key"), ("ssl", "on")):
            admin.execute(f"alter system set {name} = '{value}'".encode())
        admin.execute("select pg_reload_conf()")

    def encrypts() -> bool:
        url = dataclasses.replace(audit_database.access(roles.APP).url, parameters=(("sslmode", "require"),))
        try:
            psycopg.connect(url.for_libpq()).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(encrypts, "a server with TLS")
    return folder


def urls(audit: AuditDatabase, authority: Path) -> Urls:
    plain = urls_of(audit)
    parameters = (("sslmode", "verify-full"), ("sslrootcert", str(authority)))
    direct, admin = (dataclasses.replace(url, parameters=parameters) for url in (plain.direct, plain.admin) if url is not None)
    return dataclasses.replace(plain, direct=direct, admin=admin, tls=Tls.VERIFY_FULL)


def test_the_servers_certificate_is_checked_and_clients_may_check_the_poolers(
    audit_database: AuditDatabase, papers: Path, open_folder: Path
) -> None:
    port = loopback.free_port()
    place = listening.at(f"127.0.0.1:{port}", papers / "pooler.crt", papers / "pooler.key")
    pooler = plan.plan(urls(audit_database, papers / "ca.pem"), place, size=None, version=None)
    assert str(pooler.url) == f"postgresql://infraops_app:***@localhost:{port}/infraops?sslmode=verify-full&pgbouncer=true"
    into = open_folder / "pooler"
    assert sorted(written.path.name for written in folder.write(pooler, into, replace=False)) == [
        "pgbouncer.ini", "server-ca.pem", "userlist.txt"
    ]  # fmt: skip
    checking = dataclasses.replace(pooler.url, parameters=(*pooler.url.parameters, ("sslrootcert", str(papers / "ca.pem"))))
    with started(into / ini.NAME, port):
        with Access(checking, Tls.VERIFY_FULL).connect(seconds=20) as connection:
            assert connection.pgconn.ssl_in_use
            assert connection.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()").fetchone() == (True,)
        plain = dataclasses.replace(pooler.url, parameters=(("sslmode", "disable"),))
        with pytest.raises(psycopg.OperationalError, match="SSL required"):
            psycopg.connect(plain.for_libpq())

    # The same files with another authority: nothing reaches the server, and the client waits for a connection.
    (into / ini.CA).write_bytes((papers / "other.pem").read_bytes())
    with started(into / ini.NAME, port), pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(checking.for_libpq(), connect_timeout=2)
