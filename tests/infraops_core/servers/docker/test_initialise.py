"""New data: complete or not at all, whoever is killed meanwhile, and the password nowhere."""

import contextlib
import io
import os
import tarfile
import threading
from pathlib import Path

import pytest

from infraops_core.errors import UserError
from infraops_core.servers.docker import initialise, place
from infraops_core.servers.docker.containers import Limits
from infraops_core.servers.docker.images import Asked, Image
from infraops_core.servers.docker.server import Running
from infraops_core.servers.docker.volumes import find
from tests import postgres_image
from tests.fix_docker import Stack
from tests.fix_postgres import wait_until


def in_background(stack: Stack) -> threading.Thread:
    """A run that initialises, at the moment when its container runs."""

    def run() -> None:
        with contextlib.suppress(UserError):  # its container is taken from it
            stack.ensure()

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: [each for each in stack.client.containers.list(ignore_removed=True) if each.name == initialise.name(stack.name)],
               "the container that initialises")  # fmt: skip
    return thread


def test_what_a_killed_initialisation_left_is_set_aside(docker_stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    run = in_background(docker_stack)
    docker_stack.client.containers.get(initialise.name(docker_stack.name)).kill()
    run.join(timeout=60)
    capsys.readouterr()
    docker_stack.ensure()
    out = capsys.readouterr().out
    assert "Initialising  Postgres 17" in out
    assert "Set aside unfinished-" in out


def test_what_a_killed_run_has_begun_is_waited_for_and_used(docker_stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """The other run ends the same way: both wait for one container, and one of them makes the server."""
    run = in_background(docker_stack)
    container = docker_stack.client.containers.get(initialise.name(docker_stack.name))
    assert container.attrs["HostConfig"]["LogConfig"]["Type"] == "json-file"  # one that can be read, whatever the engine's own is
    code = container.wait(timeout=60)["StatusCode"]
    run.join(timeout=60)
    assert code == 0
    assert "Initialising" in capsys.readouterr().out
    docker_stack.client.containers.get(docker_stack.name).remove(force=True)
    docker_stack.ensure()
    assert "Initialising" not in capsys.readouterr().out


def test_one_that_goes_on_without_its_run_is_waited_for(docker_stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    name = initialise.name(docker_stack.name)
    docker_stack.client.containers.run(
        f"{docker_stack.engine.repository}:17",
        ["0.5"],
        entrypoint=["sleep"],
        name=name,
        detach=True,
        labels=docker_stack.wanted.owner.labels,
    )
    docker_stack.ensure()
    assert name not in [each.name for each in docker_stack.client.containers.list(all=True)]


def test_an_initialisation_that_fails_is_quoted_and_leaves_nothing_behind(docker_stack: Stack) -> None:
    docker_stack.client.volumes.get(docker_stack.name).remove()
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=16m"}
    docker_stack.client.volumes.create(docker_stack.name, driver_opts=options, labels=docker_stack.wanted.owner.labels)
    with pytest.raises(UserError, match=r"the disk of the Docker engine is full: .*No space left on device"):
        docker_stack.ensure()
    assert docker_stack.client.containers.list(all=True, filters={"volume": docker_stack.name}) == []


def test_an_image_that_cannot_initialise_is_quoted(docker_stack: Stack) -> None:
    bad = Asked(f"{docker_stack.name}-bad:17")
    postgres_image.derive(docker_stack.client, f"{docker_stack.engine.repository}:17", bad.reference,
                          'ENTRYPOINT ["sh", "-c", "echo initdb: error: no such thing; exit 1"]')  # fmt: skip
    with pytest.raises(UserError, match="the initialisation failed: initdb: error: no such thing"):
        docker_stack.ensure(image=bad)
    docker_stack.client.images.remove(bad.reference)


def test_too_little_memory_is_told(docker_stack: Stack) -> None:
    with pytest.raises(UserError, match="memory") as refused:
        docker_stack.ensure(limits=Limits(7 * 2**20, None))
    assert "infraops:memory" in refused.value.next


def test_one_that_does_not_end_is_no_hang(docker_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initialise, "_SECONDS", 0.5)
    docker_stack.client.containers.run(
        f"{docker_stack.engine.repository}:17", ["600"], entrypoint=["sleep"], name=initialise.name(docker_stack.name), detach=True,
        labels=docker_stack.wanted.owner.labels,
    )  # fmt: skip
    with pytest.raises(UserError, match=r"the initialisation did not end within 0\.5 s"):
        docker_stack.ensure()


def test_a_destroy_finds_an_initialisation_that_is_under_way(docker_stack: Stack) -> None:
    docker_stack.client.containers.run(
        f"{docker_stack.engine.repository}:17", ["600"], entrypoint=["sleep"], name=initialise.name(docker_stack.name), detach=True,
        labels=docker_stack.wanted.owner.labels, volumes={docker_stack.name: {"bind": "/v"}}, stop_signal="SIGKILL",
    )  # fmt: skip
    place.remove(docker_stack.wanted.owner, docker_stack.name, docker_stack.engine_id)
    assert find(docker_stack.client, docker_stack.name) is None


def test_the_password_is_in_no_container_that_stays(container_with_a_row: tuple[Stack, Running]) -> None:
    docker_stack, _ = container_with_a_row
    secret = docker_stack.wanted.admin_password
    container = docker_stack.client.containers.get(docker_stack.name)
    assert secret not in str(container.attrs)
    assert "POSTGRES_PASSWORD" not in str(container.attrs)
    assert secret not in container.logs().decode()
    assert container.exec_run(["ls", "/infraops-admin"]).exit_code != 0
    if os.geteuid() == 0:
        assert secret not in Path(f"/proc/{container.attrs['State']['Pid']}/environ").read_text()


@pytest.mark.parametrize(("user", "mode"), [("", 0o400), ("root", 0o400), ("0", 0o400), ("postgres", 0o444)])
def test_the_password_file_is_for_the_account_that_reads_it(user: str, mode: int) -> None:
    image = Image("x", "x", "x", 17, "/v", (), user)
    with tarfile.open(fileobj=io.BytesIO(initialise._password_file("secret", image))) as tar:
        [entry] = tar.getmembers()
        assert (entry.uid, entry.mode, entry.name) == (0, mode, "infraops-admin")
