"""From a clean copy to one audited row, again without a change, and back to nothing."""

import json
import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest

from infraops_core import passwords
from infraops_core.servers import loopback
from infraops_core.servers.embedded import process
from tests.fix_project import Project


def git_status(project: Project) -> str:
    return subprocess.run(["git", "status", "--porcelain"], cwd=project.root, capture_output=True, text=True, check=True).stdout


def application_url(project: Project, *flags: str) -> dict[str, str]:
    told = project.infraops("env", "local", "--format", "json", *flags)
    assert told.code == 0, told.text
    urls: dict[str, str] = json.loads(told.out)
    return urls


def test_up_proves_one_row_and_says_so(project: Project) -> None:
    ran = project.infraops("up", "local")

    assert ran.code == 0, ran.text
    for label in ("stack", "target", "environment", "provider", "server", "TLS", "schema", "smoke row", "insert", "read back", "next"):
        assert f"\n{label} " in "\n" + ran.out
    assert "DATABASE_URL  postgresql://infraops_app:***@127.0.0.1:" in ran.out
    for progress in ("Initialising  Postgres 17", "Starting  Postgres 17", "Applying  ", "Applied   ", "Smoke     1 row inserted"):
        assert progress in ran.err
    with psycopg.connect(application_url(project)["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "select recorded_at, incident_id, event_type, summary from infraops_audit.audit_events order by recorded_at desc limit 5"
        ).fetchall()
    assert [row[2] for row in rows] == ["smoke_test"]


def test_a_second_up_and_a_preview_change_nothing_and_git_stays_clean(standing: Project) -> None:
    again = standing.infraops("up", "local")
    assert again.code == 0, again.text
    assert "8 same" in again.err
    assert "create" not in again.err
    assert git_status(standing) == ""

    preview = standing.pulumi("preview", "--stack", "local", "--diff", "--expect-no-changes", "--config-file", "Pulumi.local.yaml")
    assert preview.code == 0, preview.text
    assert "8 unchanged" in preview.out
    standing.as_committed("Pulumi.local.yaml")


def test_pulumi_by_hand_does_what_infraops_does(project: Project) -> None:
    assert project.pulumi("stack", "init", "local").code == 0
    first = project.pulumi("up", "--yes", "--stack", "local")
    assert first.code == 0, first.text
    assert "8 created" in first.out
    assert "encryptionsalt" in (project.root / "Pulumi.local.yaml").read_text()  # as in any Pulumi project

    assert "8 same" in project.infraops("up", "local").err
    second = project.pulumi("up", "--yes", "--stack", "local")
    assert "8 unchanged" in second.out
    destroyed = project.pulumi("destroy", "--yes", "--stack", "local")
    assert destroyed.code == 0, destroyed.text
    assert not project.server().base.exists()


def test_down_leaves_no_process_no_folder_no_port_and_a_clean_checkout(up: Project) -> None:
    port = up.server().marker().port  # type: ignore[union-attr]
    down = up.infraops("down", "local", "--yes")

    assert down.code == 0, down.text
    assert "Removing  " in down.err
    assert not (up.state / "servers").exists()
    assert [running.cmdline() for running in up.processes()] == []
    assert loopback.is_free(port)
    assert git_status(up) == ""
    assert up.infraops("up", "local").code == 0  # and all of it can be made again


def test_down_asks_and_without_a_terminal_refuses(standing: Project) -> None:
    refused = standing.infraops("down", "local")
    assert refused.code == 1
    assert "infraops down local --yes" in refused.err
    assert standing.server().data.exists()


def test_two_copies_share_no_key_and_the_passphrase_is_the_owners_only(up: Project) -> None:
    passphrase = up.state / "passphrase"
    assert passphrase.stat().st_mode & 0o777 == 0o600
    other = Project(up.root)
    assert len(passphrase.read_text()) >= len(passwords.generate()) - 1
    passphrase.rename(passphrase.with_name("kept"))
    lost = other.infraops("up", "local")
    assert lost.code == 1
    assert "passphrase" in lost.err
    assert "Traceback" not in lost.text
    passphrase.with_name("kept").rename(passphrase)
    assert other.infraops("up", "local").code == 0


def test_a_rehearsal_writes_one_more_row(standing: Project) -> None:
    with psycopg.connect(application_url(standing)["DATABASE_URL"], autocommit=True) as connection:
        before = connection.execute("select count(*) + 1 from infraops_audit.audit_events").fetchone()
        standing.configure(rehearsal="2")
        ran = standing.infraops("up", "local")
        assert ran.code == 0, ran.text
        assert "1 update" in ran.err
        assert connection.execute("select count(*) from infraops_audit.audit_events").fetchone() == before
    standing.as_committed("Pulumi.local.yaml")
    assert standing.infraops("up", "local").code == 0


def test_smoke_by_command_and_plain_psql_write_to_the_default_tenant(standing: Project) -> None:
    ran = standing.infraops("smoke", "local")
    assert ran.code == 0, ran.text
    assert "1 row inserted" in ran.out
    with psycopg.connect(application_url(standing)["DATABASE_URL"]) as connection:
        assert connection.execute("select distinct tenant_id from infraops_audit.audit_events").fetchall() == [("default",)]


def test_env_gives_an_application_no_more_than_its_own(standing: Project) -> None:
    assert set(application_url(standing)) == {"DATABASE_PROVIDER", "DATABASE_URL", "DATABASE_SSL_MODE", "ENABLE_HOSTED_AUDIT_WRITES"}
    assert "DIRECT_DATABASE_URL" in application_url(standing, "--direct")
    assert "ADMIN_DATABASE_URL" in application_url(standing, "--admin")


def test_a_prod_stack_is_protected(project: Project) -> None:
    project.configure(environment="prod")
    assert project.infraops("up", "local").code == 0
    refused = project.infraops("down", "local", "--yes")
    assert refused.code == 1, refused.text
    assert "infraops:protect" in refused.err
    assert process.postmaster(project.server()) is not None
    assert "8 same" in project.infraops("up", "local").err
    project.configure(environment="prod", protect=False)
    assert project.infraops("up", "local").code == 0
    assert project.infraops("down", "local", "--yes").code == 0


def test_the_state_can_be_elsewhere(project: Project, open_folder: Path) -> None:
    elsewhere = {"INFRAOPS_STATE": str(open_folder / "state")}
    ran = project.infraops("up", "local", **elsewhere)
    assert ran.code == 0, ran.text
    assert (open_folder / "state" / "servers" / "local" / "data").exists()
    assert not (project.state / "servers").exists()
    assert project.infraops("down", "local", "--yes", **elsewhere).code == 0


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has a home that the server's account cannot enter; unproven: the server's folder elsewhere"
)
def test_root_whose_folder_is_closed_to_others_gets_a_server_elsewhere(project: Project, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    elsewhere = {"INFRAOPS_STATE": str(closed / "state")}
    made = project.infraops("up", "local", **elsewhere)
    down = project.infraops("down", "local", "--yes", **elsewhere)

    assert made.code == 0, made.text
    told = re.search(r"Initialising  Postgres \S+ in (?P<folder>/var/lib/infraops/\S+)/data, run by \w+", made.err)
    assert told is not None, made.err
    assert down.code == 0, down.text
    assert f"Removing  {told['folder']}" in down.err
    assert not Path(told["folder"]).parent.exists()
