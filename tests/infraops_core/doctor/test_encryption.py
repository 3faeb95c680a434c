"""TLS against a real server that shows each kind of certificate, and what a client's sslmode makes of it."""

from pathlib import Path

import pytest

from infraops_core.doctor.check import Verdict
from infraops_core.errors import ExitCode
from tests.fix_tls import HOST, OTHER_HOST, TlsServer
from tests.infraops_core.doctor.conftest import Examine

# The server's certificate, the URL's sslmode, and the checks of TLS and the log-in that don't pass; each with what it says.
KINDS = [
    ("good", "verify-full", {}, {}),
    ("good", "require", {"tls.certificate": Verdict.WARN}, {"tls.certificate": "sslmode=require does not look"}),
    ("soon expired", "verify-full", {"tls.expiry": Verdict.WARN}, {"tls.expiry": "for 9 days"}),
    ("expired", "verify-full", {"tls.expiry": Verdict.FAIL}, {"tls.expiry": "it expired on", "login.app": "tls.expiry failed"}),
    ("expired", "require", {"tls.certificate": Verdict.WARN, "tls.expiry": Verdict.FAIL}, {"tls.expiry": "days ago"}),
    ("wrong host", "verify-full", {"tls.hostname": Verdict.FAIL},
     {"tls.hostname": f"it is for {OTHER_HOST}, not for {HOST}", "login.app": "tls.hostname failed"}),
    ("wrong host", "verify-ca", {"tls.hostname": Verdict.WARN}, {"tls.hostname": "sslmode=verify-ca does not look"}),
    ("self-signed", "verify-full", {"tls.certificate": Verdict.FAIL},
     {"tls.certificate": "signed by itself", "login.app": "tls.certificate failed"}),
    ("self-signed", "require", {"tls.certificate": Verdict.WARN}, {"tls.certificate": "signed by itself"}),
    ("unknown ca", "verify-full", {"tls.certificate": Verdict.FAIL}, {"tls.certificate": "signed by Another CA"}),
    ("none", "verify-full", {"tls.version": Verdict.FAIL}, {"tls.version": "TLS off", "login.app": "tls.version failed"}),
]  # fmt: skip
OF_TLS = ("tls.", "login.app")


@pytest.mark.parametrize(("kind", "sslmode", "wrong", "says"), KINDS, ids=[f"{row[0]}, {row[1]}" for row in KINDS])
def test_each_kind_of_certificate(
    tls_server: TlsServer, examine: Examine, *, kind: str, sslmode: str, wrong: dict[str, Verdict], says: dict[str, str]
) -> None:
    url = tls_server.access(sslmode=sslmode).url.with_password()
    with tls_server.with_certificate(kind):
        seen = examine({"DATABASE_URL": url})
    assert {name: verdict for name, verdict in seen.wrong.items() if name.startswith(OF_TLS)} == wrong
    for check, text in says.items():
        assert text in seen[check].found, (check, seen[check].found)
    for check in wrong:
        assert seen[check].next
    if not wrong:
        assert seen["tls.version"].found.endswith("has TLSv1.3")
        assert seen["tls.channel-binding"].found == "SCRAM-SHA-256-PLUS is offered"
        assert seen["login.app"].found.endswith("with TLS")


def test_a_ca_file_that_is_not_there(tls_server: TlsServer, examine: Examine, tmp_path: Path) -> None:
    seen = examine({"DATABASE_URL": tls_server.access(sslrootcert=str(tmp_path / "gone.crt")).url.with_password()})
    assert seen["tls.version"].verdict is Verdict.FAIL
    assert "the CA file can't be used: No such file or directory" in seen["tls.version"].found
    assert seen["login.app"].found == "tls.version failed"


def test_an_old_version_of_tls_is_refused(tls_server: TlsServer, examine: Examine) -> None:
    with tls_server.server.access().connect(seconds=30) as admin:
        admin.execute("alter system set ssl_min_protocol_version = 'TLSv1'")
        admin.execute("alter system set ssl_max_protocol_version = 'TLSv1.1'")
        admin.execute("select pg_reload_conf()")
    try:
        seen = examine({"DATABASE_URL": tls_server.access(sslmode="require").url.with_password()})
    finally:
        with tls_server.server.access().connect(seconds=30) as admin:
            admin.execute("alter system reset ssl_min_protocol_version")
            admin.execute("alter system reset ssl_max_protocol_version")
            admin.execute("select pg_reload_conf()")
    assert seen["tls.version"].verdict is Verdict.FAIL
    assert "TLS could not be agreed upon" in seen["tls.version"].found
    assert seen.code is ExitCode.FOUND_BAD


def test_a_log_in_that_cannot_be_bound_is_a_warning_unless_the_certificate_proves_the_server(
    tls_server: TlsServer, examine: Examine
) -> None:
    with tls_server.server.access().connect(seconds=30) as admin:
        admin.execute("set password_encryption = 'md5'")
        admin.execute("create role bound_to_nothing login password 'some-old-password'")
    access = {"role": "bound_to_nothing", "password": "some-old-password"}
    hba = tls_server.server.folder.data / "pg_hba.conf"
    kept = hba.read_text()
    hba.write_text("host all bound_to_nothing 127.0.0.1/32 md5\n" + kept)
    _reload(tls_server)
    try:
        unproven = examine({"DATABASE_URL": tls_server.access(sslmode="require", **access).url.with_password()})
        proven = examine({"DATABASE_URL": tls_server.access(sslmode="verify-full", **access).url.with_password()})
        demanded = examine(
            {"DATABASE_URL": tls_server.access(sslmode="verify-full", channel_binding="require", **access).url.with_password()}
        )
    finally:
        hba.write_text(kept)
        _reload(tls_server)
        with tls_server.server.access().connect(seconds=30) as admin:
            admin.execute("drop role bound_to_nothing")
    assert unproven["tls.channel-binding"].verdict is Verdict.WARN
    assert "is not offered, but md5" in unproven["tls.channel-binding"].found
    assert proven["tls.channel-binding"].verdict is Verdict.PASS
    assert demanded["tls.channel-binding"].verdict is Verdict.FAIL


def test_a_hosts_file_leads_to_another_address_under_the_same_name(
    tls_server: TlsServer, examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "hosts"
    file.write_text(f"{HOST} 127.0.0.1 {tls_server.port}\n")
    monkeypatch.setenv("INFRAOPS_HOSTS", str(file))
    seen = examine({"DATABASE_URL": tls_server.access(at="").url.with_password().replace(f":{tls_server.port}/", ":5432/")})
    assert f"{HOST} is to be reached at 127.0.0.1" in seen["dns.resolves"].found
    assert seen["tls.hostname"].verdict is Verdict.PASS
    assert seen["login.app"].verdict is Verdict.PASS


def _reload(tls_server: TlsServer) -> None:
    with tls_server.server.access().connect(seconds=30) as admin:
        admin.execute("select pg_reload_conf()")
        admin.execute("select pg_sleep(0.2)")
