"""`infraops doctor` on the database that the environment names: its lines, its JSON, its exit codes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infraops_core import checkout, roles
from infraops_core.doctor.checks import CHECKS
from infraops_core.servers import loopback
from infraops_core.servers.loopback import LOOPBACK
from tests.fix_proxy import Mode, Proxy
from tests.fix_terminal import on_a_terminal
from tests.infraops_cli.conftest import Database, Run

COMMAND = [str(Path(sys.executable).with_name("infraops")), "doctor"]
LINE = re.compile(r"(Pass|Warn|Fail|Unchecked) +[a-z.-]+ +\S.*|          +(next: )?\S.*|Doctor    .*")


@pytest.fixture
def migrated(infraops: Run, database: Database) -> Database:
    """A database with the schema."""
    assert infraops("migrate", "up", **database.variables).code == 0
    return database


def everybody(database: Database) -> dict[str, str]:
    return database.variables | {"DATABASE_URL": database.url(roles.APP)}


def test_a_healthy_database_is_a_line_a_check_and_the_sum(infraops: Run, migrated: Database) -> None:
    ended = infraops("doctor", **everybody(migrated))
    assert ended.code == 0, ended.text
    lines = ended.out.splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert "Fail" not in ended.out
    assert [line.split()[1] for line in lines[:-1] if not line.startswith(" ")] == [one.id for one in CHECKS if not one.of_stack]
    assert re.fullmatch(r"Doctor    \d+ passed, \d warned, 0 failed, \d+ unchecked in \d\.\d s", lines[-1])
    assert not [secret for secret in migrated.server.secrets if secret in ended.text]


def test_the_same_as_one_object(infraops: Run, migrated: Database) -> None:
    ended = infraops("doctor", "--json", **everybody(migrated))
    assert ended.code == 0, ended.text
    told = ended.json()
    assert told["verdict"] in ("pass", "warn")
    assert told["stack"] is None
    assert [set(one) for one in told["checks"]] == [{"id", "verdict", "found", "threshold", "next", "milliseconds"}] * len(told["checks"])
    assert {one["verdict"] for one in told["checks"]} <= {"pass", "warn", "unchecked"}
    assert not [secret for secret in migrated.server.secrets if secret in ended.out]


def test_a_failure_is_exit_code_2_with_the_next_step_below(infraops: Run, migrated: Database) -> None:
    migrated.do("alter table infraops_audit.agent_runs disable trigger append_only")
    ended = infraops("doctor", **everybody(migrated))
    assert ended.code == 2
    assert re.search(r"^Fail      trail\.guards +not on: append_only of agent_runs\n +next: find out who", ended.out, re.MULTILINE)
    told = infraops("doctor", "--json", **everybody(migrated))
    assert (told.code, told.json()["verdict"]) == (2, "fail")


def test_a_database_without_the_schema_is_exit_code_2(infraops: Run, database: Database) -> None:
    ended = infraops("doctor", **database.variables)
    assert ended.code == 2
    assert re.search(r"^Fail      schema\.version .*not applied.*\n +next: infraops migrate up$", ended.out, re.MULTILINE)


def test_one_that_cannot_be_reached_is_exit_code_3(infraops: Run, database: Database) -> None:
    url = f"postgresql://u:hidden-word@{LOOPBACK}:{loopback.free_port()}/d?sslmode=disable"
    ended = infraops("doctor", DATABASE_URL=url)
    assert ended.code == 3
    assert "Fail      tcp.connects" in ended.out
    assert infraops("doctor", "--json", DATABASE_URL=url).json()["verdict"] == "unchecked"


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        ([], {}, "which database is not said"),
        (["../etc"], {}, "is no name for a stack"),
        (["--timeout", "0"], {"DATABASE_URL": "postgresql://u@127.0.0.1/d"}, "no time to check anything in"),
        (["--timeout", "inf"], {"DATABASE_URL": "postgresql://u@127.0.0.1/d"}, "no time to check anything in"),
        (["--timeout", "soon"], {"DATABASE_URL": "postgresql://u@127.0.0.1/d"}, "Invalid value for '--timeout'"),
        (["--jsno"], {}, "No such option"),
    ],
)
def test_a_wrong_command_line_is_exit_code_1(infraops: Run, arguments: list[str], variables: dict[str, str], says: str) -> None:
    ended = infraops("doctor", *arguments, **variables)
    assert ended.code == 1
    assert says in ended.err


def test_a_contradiction_is_told_whole_and_without_a_password(infraops: Run, migrated: Database) -> None:
    ended = infraops("doctor", **everybody(migrated) | {"DATABASE_SSL_MODE": "require", "DATABASE_PROVIDER": "neon"})
    assert ended.code == 2
    assert re.search(r"^Fail      environment .*problems\n( {10,}\S.*\n)+", ended.out, re.MULTILINE)
    assert [line for line in ended.out.splitlines() if not LINE.fullmatch(line)] == []


def test_marks_on_a_terminal(migrated: Database, tmp_path: Path) -> None:
    environment = os.environ | everybody(migrated) | {"INFRAOPS_STATE": str(tmp_path), "TERM": "xterm-256color", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    code, shown = on_a_terminal(COMMAND, environment, "", checkout.ROOT)
    assert code == 0, shown
    assert "✓ pass" in shown
    assert "\x1b[32m" in shown
    assert not [secret for secret in migrated.server.secrets if secret in shown]


def test_ctrl_c_ends_it_at_once(database: Database, tmp_path: Path) -> None:
    access = database.access()
    with Proxy(access.url.port, Mode.STALL) as proxy:
        url = access.url.with_password().replace(f":{access.url.port}/", f":{proxy.port}/")
        environment = os.environ | {"DIRECT_DATABASE_URL": url, "INFRAOPS_STATE": str(tmp_path)}
        with subprocess.Popen(COMMAND, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              start_new_session=True) as running:  # fmt: skip
            assert running.stdout is not None
            while "tcp.connects" not in running.stdout.readline():
                assert running.poll() is None
            began = time.monotonic()
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert running.returncode == 130
    assert told.startswith("Interrupted")
    assert "Traceback" not in told


def test_without_a_stack_the_engine_is_not_loaded(migrated: Database, tmp_path: Path) -> None:
    script = "import sys\nfrom infraops_cli.commands import app\napp(['doctor'], standalone_mode=False)\nprint(*sys.modules)"
    environment = os.environ | everybody(migrated) | {"INFRAOPS_STATE": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert not {"pulumi", "pydantic", "rich.console"} & loaded
