"""`infraops migrate`: what each command does, says and returns, on a real database and for wrong inputs."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infraops_core import checkout
from tests.end_to_end.test_secrets import ArgumentWatch
from tests.fix_pgbouncer import pgbouncer
from tests.fix_terminal import on_a_terminal
from tests.infraops_cli.conftest import TABLE, Database, Run

FILES = sorted(path.name for path in (checkout.AUDIT_SCHEMA / "migrations").glob("*.sql"))
VERSIONS = [name.partition("_")[0] for name in FILES]
SLOW = "-- migrate:up\ncreate table slow (id int primary key);\nselect pg_sleep(60);\n\n-- migrate:down\n"
NO_KEY = "-- migrate:up\ncreate table loose (text text);\n\n-- migrate:down\ndrop table loose;\n"
WRONG = "-- migrate:up\ncreate table wrong (id int primary key);\nselect nothing from nowhere;\n\n-- migrate:down\n"
UNKNOWN_VERSION = "20990101000000"
ADDRESS = "postgresql://u:Sesam0effneDich@"
POOLED = f"{ADDRESS}ep-x-pooler.us-east-2.aws.neon.tech/d?sslmode=require"
NEEDS_DATABASE = [["status"], ["plan"], ["up"], ["down", "--yes"], ["verify"], ["mark", VERSIONS[0]], ["adopt"], ["dump"],
                  ["seed", "--environment", "dev"]]  # fmt: skip


def timeless(text: str) -> str:
    return re.sub(r"\d+ ms", "N ms", text)


def test_from_an_empty_database_to_all_migrations_and_one_back(infraops: Run, database: Database) -> None:
    shell = database.variables
    endpoint = database.endpoint

    before = infraops("migrate", "status", **shell)
    assert before.code == 0
    assert before.out.splitlines() == [*(f"Pending       {name}" for name in FILES), f"0 of {len(FILES)} migrations applied in {endpoint}"]
    assert infraops("migrate", "verify", **shell).code == 2

    up = infraops("migrate", "up", **shell)
    assert up.code == 0, up.text
    assert timeless(up.out).splitlines() == [line for name in FILES for line in (f"Applying  {name}", f"Applied   {name} in N ms")]
    assert up.err == ""

    again = infraops("migrate", "up", **shell)
    assert (again.code, again.out) == (0, f"Applied   nothing: {endpoint} has every migration\n")
    assert infraops("migrate", "up", VERSIONS[0], **shell).out == f"Applied   nothing: {endpoint} has every migration up to {VERSIONS[0]}\n"
    verified = infraops("migrate", "verify", **shell)
    assert (verified.code, verified.out) == (
        0,
        f"Verified  {len(FILES)} migrations in {endpoint}: all applied, and as their files are\n",
    )
    statuses = infraops("migrate", "status", "--json", **shell).json()
    assert [(one["version"], one["state"], one["applied_by"]) for one in statuses] == [
        (version, "applied", "infraops_owner") for version in VERSIONS
    ]
    assert infraops("migrate", "plan", **shell).out == "Planned   nothing: the database has every migration\n"

    down = infraops("migrate", "down", **shell)
    assert timeless(down.out) == f"Reverting {FILES[-1]}\nReverted  {FILES[-1]} in N ms\n"
    lacking = infraops("migrate", "verify", **shell)
    assert lacking.code == 2
    assert f"Found     {FILES[-1]}  not applied\nnext      infraops migrate up\n" in lacking.out
    marked = infraops("migrate", "mark", VERSIONS[-1], **shell)
    assert (marked.code, marked.out) == (0, f"Marked    {FILES[-1]} as applied\n")
    assert infraops("migrate", "verify", **shell).code == 0


def test_up_to_a_version_ends_there(infraops: Run, database: Database) -> None:
    assert infraops("migrate", "up", VERSIONS[1], **database.variables).code == 0
    states = [one["state"] for one in infraops("migrate", "status", "--json", **database.variables).json()]
    assert states == ["applied"] * 2 + ["pending"] * (len(FILES) - 2)


@pytest.mark.parametrize("command", NEEDS_DATABASE, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "error: which database is not said\n"),
        ("mysql://u:Sesam0effneDich@h/d", "a database URL begins with postgres:// or postgresql://"),
        (f"{ADDRESS}127.0.0.1:1/d", "Connection refused"),
        (POOLED, "DIRECT_DATABASE_URL  leads to Neon's pooler, which keeps no session"),
        (f"{ADDRESS}db.invalid/d", "is used with sslmode=require or stronger"),
        (f"{ADDRESS}db.invalid/d?sslmode=require", "failed to resolve host"),
    ],
)
def test_a_database_that_is_none_is_told_by_every_command(infraops: Run, command: list[str], url: str, says: str) -> None:
    ended = infraops("migrate", *command, **({"DIRECT_DATABASE_URL": url} if url else {}))
    assert ended.code == 1, ended.text
    assert says in ended.err
    assert "\n  next:  " in ended.err


@pytest.mark.parametrize("command", NEEDS_DATABASE, ids=lambda command: command[0])
def test_a_wrong_password_is_told_and_not_shown(infraops: Run, database: Database, command: list[str]) -> None:
    right = database.server.passwords["infraops_owner"]
    ended = infraops("migrate", *command, DIRECT_DATABASE_URL=database.url().replace(right, "Sesam0effneDich"))
    assert ended.code == 1
    assert "password authentication failed" in ended.err
    assert right not in ended.text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", UNKNOWN_VERSION], f"there is no migration of version {UNKNOWN_VERSION}"),
        (["up", FILES[0]], f"there is no migration of version {FILES[0]}"),
        (["mark", UNKNOWN_VERSION], f"no file has version {UNKNOWN_VERSION}"),
        (["mark"], "Missing argument"),
        (["down"], "there is nothing to revert"),
        (["up", "--environment", "live"], "'live' is not one of 'dev', 'staging', 'prod'"),
        (["seed"], "whose seeds is not said"),
        (["seed", "--environment", "prod"], "a prod database gets none"),
        (["seed", "--environment", "dev"], "10_incident.sql:4:13"),
        (["reset"], "Missing option '--stack'"),
        (["reset", "--stack", "no-such-stack"], "no-such-stack"),
        (["reset", "--stack", "local", "--yes"], "No such option: --yes"),
        (["new", "Bad Name"], "is no name for a migration"),
        (["new", "../escape"], "is no name for a migration"),
        (["status", "--stack", "../other"], "is no name for a stack"),
    ],
)
def test_a_wrong_input_is_a_user_error_and_changes_nothing(infraops: Run, database: Database, arguments: list[str], says: str) -> None:
    ended = infraops("migrate", *arguments, **database.variables)
    assert ended.code == 1, ended.text
    assert says in ended.err
    assert database.do("select count(*) from pg_namespace where nspname = 'infraops_audit'") == [(0,)]


def test_a_pooler_that_gives_sessions_away_is_refused(infraops: Run, database: Database) -> None:
    with pgbouncer(database.access(), "transaction") as through:
        ended = infraops("migrate", "up", DIRECT_DATABASE_URL=through.url.with_password())
    assert ended.code == 1
    assert "pooler in transaction or statement mode" in ended.err


def test_a_new_migration_is_a_file_to_be_written(infraops: Run, migrations: Path) -> None:
    ended = infraops("migrate", "new", "more_notes")
    assert re.fullmatch(r"Made      audit-schema/migrations/\d{14}_more_notes\.sql\n", ended.out), ended.text
    assert "-- migrate:up" in next(migrations.glob("*_more_notes.sql")).read_text()


def test_the_plan_shows_the_sql_and_what_is_wrong_with_it(infraops: Run, database: Database, migrations: Path) -> None:
    (migrations / "2_loose.sql").write_text(NO_KEY)
    ended = infraops("migrate", "plan", **database.variables)
    assert ended.code == 2
    assert "Pending   1_notes.sql: 1 statement in one transaction\n" in ended.out
    assert "    create table loose (text text);\n" in ended.out
    assert "2_loose.sql:2:1: error primary-key: table public.loose" in ended.out
    assert ended.out.splitlines()[-1].startswith("Planned   2 migrations, 2 statements; 1 error,")


def test_sql_that_the_server_refuses_is_told_with_its_place(infraops: Run, database: Database, migrations: Path) -> None:
    (migrations / "2_wrong.sql").write_text(WRONG)
    ended = infraops("migrate", "up", **database.variables)
    assert ended.code == 1
    assert timeless(ended.out) == "Applying  1_notes.sql\nApplied   1_notes.sql in N ms\nApplying  2_wrong.sql\n"
    assert 'relation "nowhere" does not exist' in ended.err
    assert "where: 2_wrong.sql:3:21" in ended.err


def test_an_edited_file_is_found_and_refused(infraops: Run, database: Database, migrations: Path) -> None:
    shell = database.variables
    assert infraops("migrate", "up", **shell).code == 0
    (migrations / "1_notes.sql").write_text(TABLE.replace("text text not null", "text text"))
    found = infraops("migrate", "verify", **shell)
    assert found.code == 2
    assert "Found     1_notes.sql  its file changed after it was applied\n" in found.out
    refused = infraops("migrate", "up", **shell)
    assert refused.code == 1
    assert "1_notes.sql changed after it was applied" in refused.err
    (migrations / "1_notes.sql").write_text(f"-- a comment\n\n{TABLE}")
    assert infraops("migrate", "verify", **shell).code == 0


def test_adopt_takes_over_what_is_as_the_files_make_it_and_nothing_else(infraops: Run, database: Database, migrations: Path) -> None:
    shell = database.variables
    assert infraops("migrate", "up", **shell).code == 0
    database.do("drop table schema_migrations, schema_migrations_under_way")
    adopted = infraops("migrate", "adopt", **shell)
    assert (adopted.code, adopted.out) == (0, "Marked    1_notes.sql as applied\n"), adopted.text
    assert infraops("migrate", "verify", **shell).code == 0
    again = infraops("migrate", "adopt", **shell)
    assert again.code == 1
    assert "the database has a ledger already, with 1 version\n" in again.err
    database.do("drop table schema_migrations, schema_migrations_under_way", "alter table notes add more int")
    different = infraops("migrate", "adopt", **shell)
    assert different.code == 2
    assert "TABLE public.notes" in different.err


def test_seeds_can_be_applied_again(infraops: Run, database: Database) -> None:
    assert infraops("migrate", "up", **database.variables).code == 0
    first = infraops("migrate", "seed", "--environment", "dev", **database.variables)
    assert first.code == 0
    assert re.search(r"^Seeding   10_incident\.sql\nSeeded    10_incident\.sql: 10 rows in \d+ ms$", first.out, re.MULTILINE)
    second = infraops("migrate", "seed", "--environment", "dev", **database.variables)
    assert re.findall(r": (\d+) row", second.out) == ["0", "0"]


def test_a_dump_is_the_same_twice_and_shows_no_password(infraops: Run, database: Database) -> None:
    assert infraops("migrate", "up", **database.variables).code == 0
    watch = ArgumentWatch()
    watch.start()
    dumps = [infraops("migrate", "dump", **database.variables) for _ in range(2)]
    in_prod = infraops("migrate", "down", "--environment", "prod", "--yes", **database.variables)
    watch.done.set()
    watch.join()

    assert [one.code for one in (*dumps, in_prod)] == [0, 0, 0], in_prod.text
    assert dumps[0].out == dumps[1].out
    assert f"('{VERSIONS[0]}', '" in dumps[0].out
    seen = "\n".join(watch.seen)
    assert "pg_dump" in seen
    assert not [secret for secret in database.server.secrets if secret in seen]


def test_in_prod_a_copy_comes_first(infraops: Run, database: Database, migrations: Path, tmp_path: Path) -> None:
    shell = database.variables
    assert "Copying" not in infraops("migrate", "up", "--environment", "prod", **shell).out  # there was nothing to lose
    database.do("insert into notes values (1, 'kept')")
    (migrations / "2_more.sql").write_text(TABLE.replace("notes", "more"))
    ended = infraops("migrate", "up", "--environment", "prod", **shell)
    assert ended.code == 0, ended.text
    assert [line.split()[0] for line in ended.out.splitlines()] == ["Copying", "Copied", "Applying", "Applied"]
    [copied] = (tmp_path / "state" / "snapshots").rglob("*.dump")
    assert copied.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("types", "code", "says"),
    [("NAME\n", 0, "Reverted  "), ("yes\n", 130, "Stopped: nothing was changed"), ("", 130, "Stopped: nothing was changed")],
)
def test_in_prod_the_name_is_typed_before_anything_is_reverted(
    infraops: Run, database: Database, *, types: str, code: int, says: str
) -> None:
    assert infraops("migrate", "up", **database.variables).code == 0
    command = [str(Path(sys.executable).with_name("infraops")), "migrate", "down", "--environment", "prod"]
    environment = os.environ | database.variables
    ended, shown = on_a_terminal(command, environment, types.replace("NAME", database.endpoint), checkout.ROOT)
    assert ended == code, shown
    assert says in shown
    assert not [secret for secret in database.server.secrets if secret in shown]
    assert infraops("migrate", "verify", **database.variables).code == (2 if code == 0 else 0)


def test_in_prod_without_a_terminal_nothing_is_reverted(infraops: Run, database: Database) -> None:
    assert infraops("migrate", "up", **database.variables).code == 0
    ended = infraops("migrate", "down", "--environment", "prod", **database.variables)
    assert ended.code == 1
    assert "there is no terminal to type it on" in ended.err
    assert "with --yes" in ended.err
    assert infraops("migrate", "verify", **database.variables).code == 0


_WITH_FOLDER = """
import sys
from pathlib import Path
from infraops_core import checkout
checkout.AUDIT_SCHEMA = Path(sys.argv.pop(1))
from infraops_cli.main import main
main()
"""


@pytest.mark.parametrize("transaction", ["", " transaction:false"])
def test_ctrl_c_leaves_nothing_half_done_unsaid(infraops: Run, database: Database, migrations: Path, transaction: str) -> None:
    (migrations / "2_slow.sql").write_text(SLOW.replace("migrate:up", f"migrate:up{transaction}"))
    command = [sys.executable, "-u", "-c", _WITH_FOLDER, str(migrations.parent), "migrate", "up"]
    with subprocess.Popen(command, env=os.environ | database.variables, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, start_new_session=True) as running:  # fmt: skip
        assert running.stdout is not None
        while "2_slow" not in running.stdout.readline():
            assert running.poll() is None
        deadline = time.monotonic() + 20
        while not database.do("select 1 from pg_stat_activity where query ~ '^select pg_sleep' and state = 'active'"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert running.returncode == 130
    assert told == "Interrupted: what was made is kept, and the same command goes on from there\n"
    states = {one["version"]: one["state"] for one in infraops("migrate", "status", "--json", **database.variables).json()}
    assert states == {"1": "applied", "2": "interrupted" if transaction else "pending"}
    if transaction:
        refused = infraops("migrate", "up", **database.variables)
        assert refused.code == 1
        assert "was interrupted in statement 2 of 2" in refused.err
        assert "infraops migrate up --continue" in refused.err


def test_an_up_that_has_nothing_to_do_loads_little(infraops: Run, database: Database) -> None:
    assert infraops("migrate", "up", **database.variables).code == 0
    script = "import sys\nfrom infraops_cli.commands import app\napp(['migrate', 'up'], standalone_mode=False)\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], env=os.environ | database.variables, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("Applied   nothing")
    loaded = set(ran.stdout.split())
    assert not {"pulumi", "pydantic", "rich.console", "yaml", "cryptography", "psutil"} & loaded
