"""The one-row smoke test against a real server, with a proxy between them that fails on demand."""

import dataclasses
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from infraops_core import passwords, roles, schema, smoke
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.servers.loopback import free_port
from infraops_core.settings import Environment
from infraops_core.tls import Tls
from tests.fix_pgbouncer import pgbouncer
from tests.fix_postgres import AuditDatabase, TestServer, wait_until

AT_ONCE = 5.0
DETAILS = {"stack": "test", "schema_checksum": "abc", "rehearsal": 'it\'s "quoted" \\ ünïcode'}


@pytest.fixture(scope="module")
def audit(postgres: TestServer) -> Iterator[AuditDatabase]:
    """The roles and the schema on the shared server."""
    settings = roles.RoleSettings({role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}, "default", 20)
    drop = f"drop database if exists {roles.DATABASE} with (force)"
    run_sql(postgres.access(), drop)
    roles.create(postgres.access(), settings)
    made = AuditDatabase(postgres, settings)
    schema.bring(made.access(roles.OWNER), "apply", Environment.DEV)
    yield made
    run_sql(postgres.access(), drop)


@pytest.fixture
def app(audit: AuditDatabase) -> Access:
    return audit.access(roles.APP)


@pytest.fixture
def owner(audit: AuditDatabase) -> Access:
    return audit.access(roles.OWNER)


def run_sql(access: Access, statement: str) -> None:
    with access.connect(seconds=30) as connection:
        connection.execute(statement.encode())


def rows(owner: Access) -> set[tuple[str, str, str, str]]:
    """The audit events there are."""
    with owner.connect(seconds=30) as connection:
        found = connection.execute("select event_id::text, tenant_id, event_type, payload::text from infraops_audit.audit_events")
        return set(found.fetchall())


def changed(access: Access, **parts: Any) -> Access:
    """The same way in, but for one part of its URL."""
    return dataclasses.replace(access, url=dataclasses.replace(access.url, **parts))


def refusal(access: Access, *, within: float = AT_ONCE, retry_seconds: float = 60) -> UserError:
    """The error of a smoke test that must fail, and soon."""
    started = time.monotonic()
    with pytest.raises(UserError) as refused:
        smoke.run(access, DETAILS, tenant="default", retry_seconds=retry_seconds)
    assert time.monotonic() - started < within
    assert not access.url.password or access.url.password not in str(refused.value)
    return refused.value


class CuttingProxy:
    """Passes connections on to a server, until `cut` says of what passes (number, from the client or not, bytes) to end one.

    :param greeting: what the first `greeted` connections get instead of a server.
    """

    def __init__(self, server: int, cut: Callable[[int, bool, bytes], bool] = lambda *_: False, greeting: bytes = b"", greeted: int = 0):
        self.port = free_port()
        self.connections = 0
        self._server, self._cut, self._greeting, self._greeted = server, cut, greeting, greeted
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        listening = socket.create_server(("127.0.0.1", self.port))
        self._sockets.append(listening)
        self._in_thread(self._accept, listening)

    def stop(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in tuple(self._threads):
            thread.join(5)
        for each in self._sockets:
            each.close()

    def _in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                self._sockets.append(client)
                self.connections += 1
                if self.connections <= self._greeted:
                    client.recv(4096)
                    client.sendall(self._greeting)
                    client.shutdown(socket.SHUT_RDWR)
                    continue
                server = socket.create_connection(("127.0.0.1", self._server))
                self._sockets.append(server)
                self._in_thread(self._pass, self.connections, True, client, server)
                self._in_thread(self._pass, self.connections, False, server, client)

    def _pass(self, number: int, from_client: bool, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while (passing := source.recv(65536)) and not self._cut(number, from_client, passing):
                target.sendall(passing)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def through(access: Access, **how: Any) -> Iterator[tuple[Access, CuttingProxy]]:
    proxy = CuttingProxy(access.url.port, **how)
    proxy.start()
    try:
        yield changed(access, port=proxy.port), proxy
    finally:
        proxy.stop()


def fatal(state: str, text: str) -> bytes:
    """A server's refusal of a connection (PostgreSQL documentation, "Message Formats", ErrorResponse)."""
    fields = f"SFATAL\0VFATAL\0C{state}\0M{text}\0\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


def test_writes_exactly_one_row_and_says_so(app: Access, owner: Access) -> None:
    before = rows(owner)
    result = smoke.run(app, DETAILS, tenant="default")
    [(event_id, tenant, event_type, payload)] = rows(owner) - before
    assert (event_id, tenant, event_type) == (result.row_id, "default", "smoke_test")
    assert json.loads(payload) == DETAILS
    assert 0 < result.insert_ms < 5000
    assert 0 < result.read_ms < 5000
    assert result.tls == "off (loopback)"
    assert result.summary().startswith("Smoke     1 row inserted in ")


def test_leaves_nothing_else_behind(app: Access, audit: AuditDatabase) -> None:
    """What it tries and must not be able to do is not there afterwards, and its connection is closed."""
    smoke.run(app, DETAILS, tenant="default")
    with audit.server.access(database=roles.DATABASE).connect(seconds=30) as connection:
        leftovers = "select count(*) from pg_class where relname like '%smoke%'"
        assert connection.execute(leftovers).fetchone() == (0,)
        others = "select count(*) from pg_stat_activity where usename = %s"
        wait_until(lambda: connection.execute(others, [roles.APP]).fetchone() == (0,), "the end of the app's connection")


@pytest.mark.parametrize(
    ("privilege", "what"),
    [
        ("update on infraops_audit.audit_events", "has the privilege to UPDATE, and only a trigger"),
        ("update (outcome) on infraops_audit.audit_events", "has UPDATE on audit_events or a part of it"),
        ("update on infraops_audit.agent_runs", "has UPDATE on agent_runs"),
        ("delete, truncate on infraops_audit.approval_requests", "has DELETE on approval_requests, TRUNCATE on approval_requests"),
        ("insert on infraops_audit.chain_anchors", "has INSERT on chain_anchors"),
        ("delete on infraops_audit.audit_events", "has the privilege to DELETE, and only a trigger"),
        ("truncate on infraops_audit.audit_events", "has the privilege to TRUNCATE, and only a trigger"),
        ("trigger on infraops_audit.audit_events", "has TRIGGER on"),
        ("references on infraops_audit.audit_events", "has REFERENCES on"),
        ("create on schema infraops_audit", "was allowed to CREATE TABLE,"),
        ("create on schema public", "was allowed to CREATE TABLE in public,"),
        (f"create on database {roles.DATABASE}", "was allowed to CREATE SCHEMA,"),
    ],
)
def test_an_app_that_may_do_more_fails_at_once_and_does_no_harm(app: Access, owner: Access, privilege: str, what: str) -> None:
    before = rows(owner)
    run_sql(owner, f"grant {privilege} to {roles.APP}")
    try:
        refused = refusal(app)
    finally:
        run_sql(owner, f"revoke {privilege} from {roles.APP}")
    assert what in refused.what
    assert refused.where == f"{app.endpoint} as {roles.APP}"
    assert refused.next.endswith("then: pulumi up")
    assert before < rows(owner)


def test_an_app_that_owns_the_tables_fails_at_once_and_drops_nothing(app: Access, owner: Access, audit: AuditDatabase) -> None:
    before = rows(owner)
    run_sql(audit.server.access(), f"grant {roles.OWNER} to {roles.APP}")
    try:
        assert "has the privilege to UPDATE" in refusal(app).what
    finally:
        run_sql(audit.server.access(), f"revoke {roles.OWNER} from {roles.APP}")
    assert before < rows(owner)


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"password": "wrong-secret"}, "password authentication failed"),
        ({"password": ""}, "no password supplied"),
        ({"user": "infraops_nobody"}, "password authentication failed"),
        ({"database": "nowhere"}, "does not exist"),
    ],
)
def test_a_log_in_that_waiting_cannot_mend_fails_at_once(app: Access, parts: dict[str, str], what: str) -> None:
    assert what in refusal(changed(app, **parts)).what


@pytest.mark.parametrize(
    ("break_it", "mend_it", "what"),
    [
        ("alter role infraops_app nologin", "alter role infraops_app login", "not permitted to log in"),
        ("revoke connect on database infraops from infraops_app", "grant connect on database infraops to infraops_app",
         "permission denied"),
        ("alter database infraops set default_transaction_read_only = on", "alter database infraops reset default_transaction_read_only",
         "cannot execute INSERT in a read-only transaction"),
    ],
)  # fmt: skip
def test_a_server_that_refuses_the_app_fails_at_once(app: Access, audit: AuditDatabase, break_it: str, mend_it: str, what: str) -> None:
    run_sql(audit.server.access(), break_it)
    try:
        assert what in refusal(app).what
    finally:
        run_sql(audit.server.access(), mend_it)


@pytest.mark.parametrize(
    ("break_it", "mend_it", "what"),
    [
        ("alter table infraops_audit.audit_events rename to other", "alter table infraops_audit.other rename to audit_events",
         'relation "infraops_audit.audit_events" does not exist'),
        ("revoke insert on infraops_audit.audit_events from infraops_app", "grant insert on infraops_audit.audit_events to infraops_app",
         "permission denied for table audit_events"),
        ("revoke usage on schema infraops_audit from infraops_app", "grant usage on schema infraops_audit to infraops_app",
         "permission denied for schema infraops_audit"),
    ],
)  # fmt: skip
def test_a_schema_that_is_not_as_it_must_be_fails_at_once(app: Access, owner: Access, break_it: str, mend_it: str, what: str) -> None:
    run_sql(owner, break_it)
    try:
        assert what in refusal(app).what
    finally:
        run_sql(owner, mend_it)


def test_a_row_that_comes_back_changed_fails_at_once(app: Access, owner: Access) -> None:
    run_sql(owner, "create function infraops_audit.change() returns trigger language plpgsql as"
                   " $$ begin new.payload := '{}'; return new; end $$")  # fmt: skip
    run_sql(
        owner, "create trigger change before insert on infraops_audit.audit_events for each row execute function infraops_audit.change()"
    )
    try:
        assert "one row was written and none came back equal" in refusal(app).what
    finally:
        run_sql(owner, "drop function infraops_audit.change() cascade")


@pytest.mark.parametrize("sslmode", ["require", "verify-full"])
def test_a_server_without_the_tls_that_the_rule_asks_for_fails_at_once(app: Access, sslmode: str) -> None:
    strict = changed(dataclasses.replace(app, tls=Tls(sslmode)), parameters=(("sslmode", sslmode), ("sslrootcert", __file__)))
    assert "does not support SSL" in refusal(strict).what


def test_a_server_without_the_channel_binding_asked_for_fails_at_once(app: Access) -> None:
    binding = changed(app, parameters=(("sslmode", "prefer"), ("channel_binding", "require")))
    assert "channel binding" in refusal(binding).what


def test_a_url_weaker_than_the_rule_fails_before_anything_is_sent(app: Access) -> None:
    with through(app) as (access, proxy):
        refused = refusal(dataclasses.replace(access, tls=Tls.REQUIRE))
        assert proxy.connections == 0
    assert "sslmode=disable" in refused.what


@pytest.fixture
def tls_server(audit: AuditDatabase) -> Iterator[str]:
    """TLS switched on at the shared server, with a certificate of its own; the certificate's path."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    data = audit.server.wanted.folder.data
    key, certificate = data / "test.key", audit.server.wanted.folder.base / "test.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True,
    )  # fmt: skip
    shutil.copy(certificate, data / "test.crt")
    for path in (key, data / "test.crt"):
        os.chown(path, data.stat().st_uid, data.stat().st_gid)
        path.chmod(0o600)
    for statement in ("alter system set ssl_cert_file = 'test.crt'", "alter system set ssl_key_file = 'test.key'",
                      "alter system set ssl = on", "select pg_reload_conf()", "select pg_sleep(0.2)"):  # fmt: skip
        run_sql(audit.server.access(), statement)
    yield str(certificate)
    run_sql(audit.server.access(), "alter system reset all")
    run_sql(audit.server.access(), "select pg_reload_conf()")


def test_tls_as_strong_as_the_rule_is_proved_and_weaker_is_refused(app: Access, tls_server: str) -> None:
    required = changed(dataclasses.replace(app, tls=Tls.REQUIRE), parameters=(("sslmode", "require"),))
    assert smoke.run(required, DETAILS, tenant="default").tls == "require"
    full = (("sslmode", "verify-full"), ("sslrootcert", tls_server))
    verified = changed(dataclasses.replace(app, tls=Tls.VERIFY_FULL), parameters=full, host="localhost")
    assert smoke.run(verified, DETAILS, tenant="default").tls == "verify-full"
    assert "certificate" in refusal(changed(verified, host="127.0.0.1")).what
    assert "certificate" in refusal(changed(verified, parameters=(("sslmode", "verify-full"), ("sslrootcert", "/nowhere")))).what


def test_waits_for_a_server_that_comes_up_late(app: Access, owner: Access, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows(owner)
    proxy = CuttingProxy(app.url.port)
    late = threading.Timer(0.6, proxy.start)
    late.start()
    try:
        result = smoke.run(changed(app, port=proxy.port), DETAILS, tenant="default", retry_seconds=30)
    finally:
        late.join()
        proxy.stop()
    assert {row[0] for row in rows(owner) - before} == {result.row_id}
    waited = capsys.readouterr().out.splitlines()
    assert waited[0].startswith(f"Waiting   0.25 s for 127.0.0.1:{proxy.port}/infraops: ")
    assert "Connection refused" in waited[0]
    assert not any(app.url.password in line for line in waited)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("57P03", "the database system is starting up"),
        ("57P03", "the database system is in recovery mode"),
        ("53300", "sorry, too many clients already"),
    ],
)
def test_waits_for_a_server_that_does_not_take_connections_yet(app: Access, owner: Access, state: str, text: str) -> None:
    before = rows(owner)
    with through(app, greeting=fatal(state, text), greeted=1) as (access, proxy):
        smoke.run(access, DETAILS, tenant="default", retry_seconds=30)
        assert proxy.connections == 2
    assert len(rows(owner) - before) == 1


class CutsFirst:
    """Ends the first connection at one point of its life."""

    def __init__(self, statement: bytes, reply: bool) -> None:
        self.statement, self.reply, self.seen = statement, reply, False

    def __call__(self, number: int, from_client: bool, passing: bytes) -> bool:
        if number > 1:
            return False
        self.seen = self.seen or (from_client and self.statement in passing)
        return self.seen and (self.reply is not from_client)


@pytest.mark.parametrize("reply", [False, True], ids=["before it arrives", "before its reply arrives"])
@pytest.mark.parametrize("statement", [b"insert into infraops_audit", b"select seq, row_hash", b"truncate", b"drop table", b"ROLLBACK"])
def test_a_connection_that_breaks_is_tried_again_with_still_one_row(app: Access, owner: Access, statement: bytes, reply: bool) -> None:
    before = rows(owner)
    with through(app, cut=CutsFirst(statement, reply)) as (access, proxy):
        result = smoke.run(access, DETAILS, tenant="default", retry_seconds=30)
        assert proxy.connections == 2
    assert {row[0] for row in rows(owner) - before} == {result.row_id}


def test_an_insert_that_hangs_is_tried_again_with_still_one_row(app: Access, owner: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt's insert waits for a lock in the server, and is done there once nobody waits for it any more."""
    monkeypatch.setattr(smoke, "ATTEMPT_SECONDS", 1.0)
    before = rows(owner)
    with owner.connect(seconds=30, autocommit=False) as holder:
        holder.execute("lock table infraops_audit.audit_events in access exclusive mode")
        release = threading.Timer(1.4, holder.rollback)
        release.start()
        result = smoke.run(app, DETAILS, tenant="default", retry_seconds=30)
        release.join()
    assert {row[0] for row in rows(owner) - before} == {result.row_id}


@pytest.mark.parametrize("answers", [False, True], ids=["nobody listens", "it accepts and is silent"])
def test_gives_up_in_time_and_says_where_and_what_next(app: Access, answers: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if answers else free_port()
        refused = refusal(changed(app, port=port), within=6, retry_seconds=1)
    assert "could not be reached for 1 s" in refused.what
    assert refused.where == f"127.0.0.1:{port}/infraops as infraops_app"
    assert refused.next == "see that the server runs and lets this machine in, then: pulumi up"
    assert "\n" not in refused.what


@pytest.mark.parametrize(
    ("break_it", "mend_it", "what"),
    [
        ("alter table infraops_audit.audit_events disable trigger append_only",
         "alter table infraops_audit.audit_events enable trigger append_only", "append_only of audit_events is off"),
        ("alter table infraops_audit.agent_runs disable trigger chain", "alter table infraops_audit.agent_runs enable trigger chain",
         "chain of agent_runs is off"),
        ("alter table infraops_audit.agent_runs enable replica trigger chain", "alter table infraops_audit.agent_runs enable trigger chain",
         "chain of agent_runs is off"),
        ("alter table infraops_audit.approval_requests disable row level security",
         "alter table infraops_audit.approval_requests enable row level security", "row-level security of approval_requests is off"),
    ],
)  # fmt: skip
def test_a_trail_without_its_guards_fails(app: Access, owner: Access, break_it: str, mend_it: str, what: str) -> None:
    run_sql(owner, break_it)
    try:
        assert what in refusal(app).what
    finally:
        run_sql(owner, mend_it)
    assert smoke.run(app, DETAILS, tenant="default").seq > 0


def test_an_app_that_row_level_security_does_not_bind_fails(app: Access, audit: AuditDatabase) -> None:
    run_sql(audit.server.access(), "alter role infraops_app bypassrls")
    try:
        assert "row-level security of audit_events" in refusal(app).what
    finally:
        run_sql(audit.server.access(), "alter role infraops_app nobypassrls")


def test_a_chain_with_wrong_hashes_fails(app: Access, owner: Access) -> None:
    with owner.connect(seconds=30) as connection:
        row = connection.execute("select pg_get_functiondef('infraops_audit.chain_audit_event'::regproc)").fetchone()
        assert row is not None
        run_sql(owner, row[0].replace("return new;\nend", "new.row_hash := repeat('x', 32)::bytea;\nreturn new;\nend"))
        try:
            assert "hash is not that of its content" in refusal(app).what
        finally:
            run_sql(owner, row[0])


def test_an_app_without_a_default_tenant_writes_for_the_one_it_is_given(app: Access, audit: AuditDatabase, owner: Access) -> None:
    run_sql(audit.server.access(), "alter role infraops_app reset infraops.tenant")
    try:
        row_id = smoke.run(app, DETAILS, tenant="given").row_id
    finally:
        run_sql(audit.server.access(), "alter role infraops_app set infraops.tenant = 'default'")
    assert tenant_of(owner, row_id) == "given"
    assert tenant_of(owner, smoke.run(app, DETAILS, tenant="given").row_id) == "default"


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_between_is_no_hindrance(app: Access, audit: AuditDatabase, owner: Access, mode: str) -> None:
    run_sql(audit.server.access(), "alter role infraops_app reset infraops.tenant")
    try:
        with pgbouncer(app, mode, size=2) as pooled:
            row_id = smoke.run(pooled, DETAILS, tenant="pooled").row_id
    finally:
        run_sql(audit.server.access(), "alter role infraops_app set infraops.tenant = 'default'")
    assert tenant_of(owner, row_id) == "pooled"


def tenant_of(owner: Access, row_id: str) -> str:
    with owner.connect(seconds=30) as connection:
        row = connection.execute("select tenant_id from infraops_audit.audit_events where event_id = %s", [row_id]).fetchone()
    assert row is not None
    return str(row[0])
