"""`infraops pooler config` for a stack that is up, and the pooler that it describes."""

import json
import shlex
from pathlib import Path

from infraops_core import roles
from infraops_core.access import Access
from infraops_core.database_url import parse
from infraops_core.environment import read
from infraops_core.servers import loopback
from infraops_core.tls import Tls
from tests.fix_pgbouncer import started
from tests.fix_project import Project


def test_the_written_configuration_serves_the_stacks_app(standing: Project, open_folder: Path) -> None:
    out, port = open_folder / "a pooler; of ours", loopback.free_port()
    command = ("pooler", "config", "local", "--out", str(out), "--listen", f"127.0.0.1:{port}", "--size", "4")
    ran = standing.infraops(*command)
    assert ran.code == 0, ran.text
    assert ran.out == f"postgresql://infraops_app:***@127.0.0.1:{port}/infraops?sslmode=disable&pgbouncer=true\n"
    assert f"Wrote     {out}/pgbouncer.ini\n" in ran.err
    assert "Users     the server's own SCRAM verifiers" in ran.err
    assert "Pool      4 server connections for each of infraops_app and infraops_readonly" in ran.err
    assert shlex.quote(f"{out}/pgbouncer.ini") in ran.err
    assert "DATABASE_SSL_MODE=disable" in ran.err

    again = standing.infraops(*command, "--url")
    assert f"Kept      {out}/pgbouncer.ini\n" in again.err
    url = parse(again.out.strip())
    assert url.password
    assert url.password not in ran.text + again.err

    other = standing.infraops(*command[:-1], "5")
    assert other.code == 1
    assert "pgbouncer.ini is there already, and says something else" in other.err

    with started(out / "pgbouncer.ini", port), Access(url, Tls.DISABLE).connect(seconds=20) as connection:
        assert connection.execute("select current_user").fetchone() == (roles.APP,)

    variables = json.loads(standing.infraops("env", "local", "--direct", "--format", "json").out)
    assert read(variables | {"DATABASE_URL": again.out}).url == url
