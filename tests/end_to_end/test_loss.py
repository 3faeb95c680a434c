"""Data that were moved, deleted or left elsewhere: nothing of ours deletes them, and what is gone is said."""

import shutil
from pathlib import Path

import pytest

from infraops_core.servers.embedded import process
from tests.end_to_end.test_survival import rows
from tests.fix_project import Project, rehomed


def test_another_state_folder_deletes_nothing(project: Project, open_folder: Path) -> None:
    backend = {"PULUMI_BACKEND_URL": f"file://{open_folder}", "PULUMI_CONFIG_PASSPHRASE": "x"}
    one, two = {"INFRAOPS_STATE": str(open_folder / "one")}, {"INFRAOPS_STATE": str(open_folder / "two")}
    made = project.infraops("up", "local", **backend, **one)
    assert made.code == 0, made.text
    assert "as PULUMI_BACKEND_URL says" in made.err

    refused = project.infraops("up", "local", **backend, **two)
    assert refused.code == 1, refused.text
    assert "nothing moves or deletes them by itself" in refused.err
    assert (open_folder / "one" / "servers" / "local" / "data" / "PG_VERSION").exists()
    assert project.infraops("up", "local", **backend, **one).code == 0
    assert project.infraops("down", "local", "--yes", **backend, **one).code == 0


@pytest.mark.parametrize("what", ["servers/local", "servers/local/data"])
def test_a_deleted_folder_is_told_and_begins_anew(up: Project, what: str) -> None:
    server = process.postmaster(up.server())
    assert server is not None
    server.kill()
    shutil.rmtree(up.state / what)

    preview = up.pulumi("preview", "--stack", "local", "--config-file", "Pulumi.local.yaml")
    assert preview.code == 0, preview.text
    assert "is gone: an empty database will be made" in preview.text
    ran = up.infraops("up", "local")
    assert ran.code == 0, ran.text
    assert rows(up) == 1
    assert "8 same" in up.infraops("up", "local").err


def test_the_data_of_a_protected_stack_are_not_replaced(project: Project) -> None:
    project.configure(environment="prod")
    assert project.infraops("up", "local").code == 0
    server = process.postmaster(project.server())
    assert server is not None
    server.kill()
    data = project.server().data
    data.rename(data.with_name("away"))

    refused = project.infraops("up", "local")
    assert refused.code == 1, refused.text
    assert "the data of the protected stack local are gone" in refused.err
    assert not data.exists()
    data.with_name("away").rename(data)
    assert project.infraops("up", "local").code == 0
    assert rows(project) == 1


def test_a_moved_checkout_finds_its_data(up: Project) -> None:
    with rehomed(up) as moved:
        ran = moved.infraops("up", "local")
        assert ran.code == 0, ran.text
        assert f"Following  the data from {up.server().base} to {moved.server().base}" in ran.err
        assert rows(moved) == 1
        assert "8 same" in moved.infraops("up", "local").err
        assert moved.infraops("down", "local", "--yes").code == 0
        assert not moved.server().base.exists()
