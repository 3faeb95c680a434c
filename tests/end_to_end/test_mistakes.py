"""A user's mistakes, typed by hand and through the command: what is printed, and that nothing was touched."""

import os
import socket
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infraops_core.servers.embedded import process
from infraops_core.servers.loopback import LOOPBACK
from tests.end_to_end.test_up_and_down import application_url
from tests.fix_project import Project

WRONG: dict[str, Any] = {"environment": "live", "postgresVersion": 15, "tennant": "acme"}
TOLD = [
    "Pulumi.local.yaml: 3 problems",
    'infraops:environment      "live"',
    "one of: dev, staging, prod",
    "a whole number from 16 to 18",
    "unknown setting; did you mean infraops:tenant?",
    "pulumi preview --stack local",
]


def test_every_mistake_of_the_file_at_once_by_command(project: Project) -> None:
    project.configure(**WRONG)
    ran = project.infraops("up", "local")
    assert ran.code == 1
    assert [text for text in TOLD if text not in ran.err] == []
    assert "Traceback" not in ran.err
    assert not (project.state / "backend").exists()


def test_every_mistake_of_the_file_at_once_by_hand(project: Project) -> None:
    project.configure(**WRONG)
    assert project.pulumi("stack", "init", "local").code == 0
    ran = project.pulumi("preview", "--stack", "local")
    assert ran.code != 0
    assert [text for text in TOLD if text not in ran.text.replace('"15"', "15")] == []
    assert "Traceback" not in ran.text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["up", "nowhere"], "there is no stack nowhere: Pulumi.nowhere.yaml does not exist"),
        (["up", "../etc"], "is no name for a stack"),
        (["env", "local"], "stack local has no outputs: it is not up"),
        (["smoke", "local"], "stack local has no outputs: it is not up"),
        (["upp"], "No such command"),
        (["env", "--form", "xml"], "No such option"),
        (["env", "--format", "xml"], "'xml' is not one of"),
        ([], "Usage"),
    ],
)
def test_a_wrong_command_line_is_a_users_error(project: Project, arguments: list[str], told: str) -> None:
    ran = project.infraops(*arguments)
    assert ran.code == 1, ran.text
    assert told in ran.text
    assert "Traceback" not in ran.text


def test_an_encrypted_value_is_not_shown(project: Project) -> None:
    assert project.pulumi("stack", "init", "local").code == 0
    secret = "a-literal-nobody-may-see"
    assert project.pulumi("config", "set", "--secret", "--stack", "local", "infraops:tennant", secret).code == 0
    for ran in (project.pulumi("preview", "--stack", "local"), project.infraops("up", "local")):
        assert ran.code != 0
        assert "(encrypted)" in ran.text
        assert secret not in ran.text


def test_a_machine_without_postgres_is_told_before_anything_is_made(project: Project) -> None:
    project.configure(postgresVersion=18)
    ran = project.infraops("up", "local")
    assert ran.code == 1, ran.text
    assert "no Postgres 18 on this machine" in ran.err
    assert "the stack docker" in ran.err
    assert ran.err.count("no Postgres 18 on this machine") == 1
    assert not (project.state / "servers").exists()


def test_a_taken_port_is_told_with_its_holder_and_the_way_on(standing: Project) -> None:
    server = process.postmaster(standing.server())
    marker = standing.server().marker()
    assert server is not None
    assert marker is not None
    server.kill()
    server.wait(10)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((LOOPBACK, marker.port))
        squatter.listen()
        by_command = standing.infraops("up", "local")
        by_hand = standing.pulumi(
            "up", "--yes", "--stack", "local", "--config-file", str(standing.state / "stack-files" / "Pulumi.local.yaml")
        )
    for ran in (by_command, by_hand):
        assert ran.code != 0
        assert f"port {marker.port} of this server is taken by" in ran.text
        assert f"(process {os.getpid()})" in ran.text
        assert "pulumi config set infraops:port" in ran.text
        assert "Traceback" not in ran.text
    assert by_command.code == 1
    assert standing.infraops("up", "local").code == 0


def test_a_failed_smoke_test_fails_the_update(standing: Project) -> None:
    owner = application_url(standing, "--direct")["DIRECT_DATABASE_URL"]
    with psycopg.connect(owner) as connection:
        connection.execute("grant update on infraops_audit.audit_events to infraops_app")
    standing.configure(rehearsal="a failure")
    ran = standing.infraops("up", "local")
    with psycopg.connect(owner) as connection:
        connection.execute("revoke update on infraops_audit.audit_events from infraops_app")
    standing.as_committed("Pulumi.local.yaml")
    assert ran.code == 1, ran.text
    assert "smoke test failed: the app has the privilege to UPDATE, and only a trigger stopped it" in ran.err
    assert "Traceback" not in ran.text


def test_a_backend_that_is_not_there_is_a_users_error(project: Project) -> None:
    ran = project.infraops("up", "local", PULUMI_BACKEND_URL="file:///nowhere/at/all")
    assert ran.code == 1, ran.text
    assert "Traceback" not in ran.text


def test_a_salt_of_another_passphrase_is_told_and_poisons_nothing(project: Project) -> None:
    salt = "encryptionsalt: v1:KtLmOeBG/R0=:v1:GvlCQgVoSkEalaeA:PVx4/S84rI7d9yPFv+az0KyGjqMMCQ==\n"
    tracked = project.root / "Pulumi.local.yaml"
    tracked.write_text(tracked.read_text() + salt)
    refused = project.infraops("up", "local")
    assert refused.code == 1, refused.text
    assert "the passphrase at hand is not the one stack local was encrypted with" in refused.err
    assert "Traceback" not in refused.text
    project.as_committed("Pulumi.local.yaml")
    assert project.infraops("up", "local").code == 0
    assert project.infraops("down", "local", "--yes").code == 0


def test_a_backend_and_a_passphrase_of_the_users_win_after_a_local_up_too(standing: Project, open_folder: Path) -> None:
    other = {"PULUMI_BACKEND_URL": f"file://{open_folder}", "PULUMI_CONFIG_PASSPHRASE": "y", "INFRAOPS_STATE": str(open_folder / "state")}
    ran = standing.infraops("up", "local", **other)
    assert ran.code == 0, ran.text
    assert standing.infraops("down", "local", "--yes", **other).code == 0


def test_a_wrong_passphrase_is_a_users_error_everywhere(standing: Project) -> None:
    for command in ("env", "smoke", "up"):
        ran = standing.infraops(command, "local", PULUMI_CONFIG_PASSPHRASE="wrong")
        assert ran.code == 1, ran.text
        assert "Traceback" not in ran.text


def test_a_file_that_went_wrong_keeps_nobody_from_a_destroy(up: Project) -> None:
    up.configure(environment="live")
    down = up.infraops("down", "local", "--yes")
    assert down.code == 0, down.text
    assert not up.server().base.exists()


def test_a_mistake_is_told_once_by_hand(project: Project) -> None:
    project.configure(environment="live")
    assert project.pulumi("stack", "init", "local").code == 0
    ran = project.pulumi("preview", "--stack", "local")
    assert "unhandled error" not in ran.text
    assert ran.out.count("one of: dev, staging, prod") <= 2  # as it comes, and in the summary


def test_schema_off_then_verify_is_the_way_of_a_pipeline(project: Project) -> None:
    project.configure(schema="verify")
    refused = project.infraops("up", "local")
    assert refused.code == 1, refused.text
    assert "migrations: 20261122000000_audit_events.sql, " in refused.err
    assert "the database lacks " in refused.err

    project.configure(schema="off")
    made = project.infraops("up", "local")
    assert made.code == 0, made.text
    assert "no smoke test" in made.err
    assert "smoke row" not in made.out

    project.configure(schema="apply")
    assert "smoke row" in project.infraops("up", "local").out
    project.configure(schema="verify")
    assert project.infraops("up", "local").code == 0
