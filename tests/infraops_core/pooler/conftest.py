"""A real PgBouncer that runs with the very files that were written for it."""

import dataclasses
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from infraops_core import roles
from infraops_core.access import Access
from infraops_core.database_url import Place
from infraops_core.pooler import folder, ini, plan, version
from infraops_core.pooler.listening import Listening
from infraops_core.pooler.plan import Pooler, Urls
from infraops_core.servers import loopback
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.loopback import LOOPBACK
from infraops_core.tls import Tls
from tests.fix_pgbouncer import started
from tests.fix_postgres import AuditDatabase


def urls_of(audit: AuditDatabase, admin: Access | None = None, database: str = roles.DATABASE) -> Urls:
    """What a stack of this server would say."""
    by_role = {role: audit.server.access(role, audit.settings.passwords[role], database).url for role in audit.settings.passwords}
    asks = admin or audit.server.access()
    return Urls(by_role[roles.APP], by_role[roles.READONLY], by_role[roles.OWNER], asks.url, Tls.DISABLE)


def on_loopback() -> Listening:
    return Listening(Place(LOOPBACK, loopback.free_port()), LOOPBACK)


@dataclass(frozen=True)
class Running:
    """A pooler that runs, and the ways in through it."""

    pooler: Pooler
    audit: AuditDatabase
    folder: Path
    process: "subprocess.Popen[bytes]"

    def reload(self) -> None:
        """Have it read its files again."""
        for path in self.folder.iterdir():
            accounts.for_server().take(path)
        self.process.send_signal(signal.SIGHUP)

    @property
    def app(self) -> Access:
        return Access(self.pooler.url, Tls.DISABLE)

    def access(self, role: str, password: str | None = None) -> Access:
        secret = self.audit.settings.passwords[role] if password is None else password
        return Access(dataclasses.replace(self.pooler.url, user=role, password=secret), Tls.DISABLE)

    def statistics(self) -> list[dict[str, object]]:
        """What the pooler says of its pools to the one who may ask."""
        url = dataclasses.replace(self.access(roles.READONLY).url, database="pgbouncer")
        with psycopg.connect(url.for_libpq(), autocommit=True, cursor_factory=psycopg.ClientCursor) as console:
            cursor = console.execute("show pools")
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


Start = Callable[..., Running]


@pytest.fixture
def start(audit: AuditDatabase, open_folder: Path) -> Iterator[Start]:
    """Writes a configuration and starts a PgBouncer with it: `start(admin=…, size=…)`."""
    with ExitStack() as running:

        def run(*, admin: Access | None = None, size: int | None = None, database: str = roles.DATABASE) -> Running:
            pooler = plan.plan(urls_of(audit, admin, database), on_loopback(), size=size, version=version.installed())
            into = open_folder / "pooler"
            assert all(written.is_new for written in folder.write(pooler, into, replace=False))
            return Running(pooler, audit, into, running.enter_context(started(into / ini.NAME, pooler.listening.place.port)))

        yield run


@pytest.fixture
def hosted_admin(audit: AuditDatabase) -> Iterator[Access]:
    """An admin as hosted providers have it, who may make roles and reads no verifier."""
    with audit.server.access().connect(seconds=30) as connection:
        connection.execute("create role hosted_admin login createrole createdb password 'hosted'")
    yield audit.server.access("hosted_admin", "hosted")
    with audit.server.access().connect(seconds=30) as connection:
        connection.execute("drop role hosted_admin")
