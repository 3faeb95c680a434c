"""A real stack by the commands an operator types: migrations, seeds, signed heads, tampering, retention, a new beginning."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infraops_core import roles
from infraops_core.access import Access
from infraops_core.database_url import parse
from infraops_core.tls import Tls
from tests.end_to_end.test_secrets import ArgumentWatch, literal_passwords
from tests.end_to_end.test_up_and_down import application_url
from tests.fix_project import Project, Ran
from tests.fix_terminal import on_a_terminal
from tests.infraops_core.audit.rows import unguarded

STACK = ("--stack", "local")


def done(ran: Ran) -> str:
    assert ran.code == 0, ran.text
    return ran.out


def superuser(project: Project) -> Access:
    """The admin's way into the stack's database, where no trigger and no privilege binds it."""
    url = parse(application_url(project, "--admin")["ADMIN_DATABASE_URL"])
    return Access(dataclasses.replace(url, database=roles.DATABASE), Tls.DISABLE)


def tamper(project: Project, statement: str) -> None:
    with superuser(project).connect(seconds=30) as connection, unguarded(connection):
        connection.execute(statement.encode())


@pytest.fixture
def keys(project: Project) -> Path:
    for command in ("genpkey -algorithm ed25519 -out key.pem", "pkey -in key.pem -pubout -out key.pub.pem"):
        subprocess.run(["openssl", *command.split()], cwd=project.root, capture_output=True, check=True)
    (project.root / "key.pem").chmod(0o600)
    return project.root


def test_from_the_first_migration_to_a_new_beginning(up: Project, keys: Path) -> None:
    shell = {"DIRECT_DATABASE_URL": application_url(up, "--direct")["DIRECT_DATABASE_URL"]}
    told: list[Ran] = []

    def infraops(*arguments: str) -> Ran:
        """By the stack's name where that is said, else as in a shell that has its variables."""
        told.append(up.infraops(*arguments, **({} if "--stack" in arguments else shell)))
        return told[-1]

    # The stack's migrations, from outside.
    status = done(infraops("migrate", "status", *STACK))
    assert re.search(r"^(\d+) of \1 migrations applied in 127\.0\.0\.1:\d+/infraops$", status, re.MULTILINE)
    assert done(infraops("migrate", "plan")) == "Planned   nothing: the database has every migration\n"
    assert done(infraops("migrate", "verify")).endswith(": all applied, and as their files are\n")
    watch = ArgumentWatch()
    watch.start()
    assert "CREATE TABLE infraops_audit.audit_events" in done(infraops("migrate", "dump", *STACK))
    watch.done.set()
    watch.join()
    assert "Seeded    10_incident.sql: 10 rows in " in done(infraops("migrate", "seed", *STACK))

    # Heads, and a trail that is whole.
    (keys / "heads.json").write_text(done(infraops("audit", "heads", "--sign", "key.pem", *STACK)))
    verify = ("audit", "verify", "--heads", "heads.json", "--key", "key.pub.pem")
    assert done(infraops(*verify, *STACK)).endswith(": all whole\n")

    # A tail that was cut, and a row that was changed.
    with superuser(up).connect(seconds=30) as connection:
        connection.execute("create table kept as select * from infraops_audit.audit_events")
    tamper(up, "delete from infraops_audit.audit_events where tenant_id = 'acme' and seq = 2")
    assert infraops("audit", "verify").code == 0  # which the chain alone cannot know
    cut = infraops(*verify)
    assert cut.code == 2
    assert "Found     audit_events, tenant acme, row 2: tail cut" in cut.out
    tamper(up, "insert into infraops_audit.audit_events select * from kept where tenant_id = 'acme' and seq = 2")
    tamper(up, "update infraops_audit.audit_events set actor = 'nobody' where tenant_id = 'default' and seq = 3")
    changed = infraops(*verify)
    assert changed.code == 2
    assert "Found     audit_events, tenant default, row 3: changed" in changed.out
    tamper(up, "update infraops_audit.audit_events e set actor = k.actor from kept k where (k.tenant_id, k.seq) = (e.tenant_id, e.seq)")
    assert infraops(*verify).code == 0

    # Retention, and the smoke test writes on.
    prune = ("audit", "prune", "--tenant", "default", "--before", "2999-01-01", "--sign", "key.pem")
    assert infraops(*prune).code == 1  # it asks, and there is nobody to answer
    assert "Pruned    5 rows of audit_events, tenant default, up to row 5\n" in done(infraops(*prune, "--yes", *STACK))
    assert done(up.infraops("smoke", "local"))
    assert done(infraops(*verify)).endswith(": all whole\n")

    # A new beginning, for which the name is typed.
    refused = infraops("migrate", "reset", *STACK)
    assert refused.code == 1
    assert "there is no terminal to type it on" in refused.err
    command = [str(Path(sys.executable).with_name("infraops")), "migrate", "reset", *STACK]
    code, shown = on_a_terminal(command, up.environment, "infraops\n", up.root)
    assert (code, "Stopped: nothing was changed" in shown) == (130, True), shown
    assert infraops(*verify).code == 0
    code, shown = on_a_terminal(command, up.environment, "local\n", up.root)
    assert code == 0, shown
    assert "Dropped   1 schema, " in shown
    assert json.loads(done(infraops("audit", "verify", "--json")))["rows"] == 0
    assert done(up.infraops("smoke", "local"))
    gone = infraops(*verify)
    assert gone.code == 2
    assert "row 1: tail cut" in gone.out

    texts = {"output": "".join(ran.text for ran in told) + shown, "arguments": "\n".join(watch.seen)}
    private = (keys / "key.pem").read_text().splitlines()[1]
    for secret in literal_passwords(up) | {private}:
        assert not [where for where, text in texts.items() if secret in text]


def test_only_a_dev_stack_is_reset_and_a_prod_stack_gets_no_seeds(standing: Project) -> None:
    try:
        standing.configure(environment="prod", protect=False)
        assert standing.infraops("up", "local").code == 0
        for command, says in (("reset", "reset is for dev, and stack local is prod"), ("seed", "a prod database gets none")):
            refused = standing.infraops("migrate", command, *STACK)
            assert refused.code == 1
            assert says in refused.err
    finally:
        standing.as_committed("Pulumi.local.yaml")
        assert standing.infraops("up", "local").code == 0


def test_a_stack_of_an_older_schema_is_brought_up_to_date_with_its_rows(project: Project) -> None:
    project.configure(schema="off")
    done(project.infraops("up", "local"))
    assert "Applied   20261122000000_audit_events.sql in " in done(project.infraops("migrate", "up", "20261122000000", *STACK))
    with superuser(project).connect(seconds=30) as connection:
        connection.execute(
            "insert into infraops_audit.audit_events (tenant_id, event_id, event_type, actor, action, outcome, summary, occurred_at) "
            "select 'default', gen_random_uuid(), 'a', 'b', 'c', 'd', 'from before', now() from generate_series(1, 5)"
        )
    project.configure(schema="apply")
    assert "row 6 of its chain" in project.infraops("up", "local").text
    assert done(project.infraops("audit", "verify", *STACK)).endswith("Verified  6 rows in 1 chain, 0 heads: all whole\n")
