"""The docker target from a clean copy to one audited row, through every mishap, and back to nothing."""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from docker import DockerClient
from docker.errors import NotFound

from infraops_core.servers import loopback
from tests.end_to_end.test_secrets import ArgumentWatch
from tests.end_to_end.test_survival import wait_until
from tests.fix_docker import Engine, erase
from tests.fix_project import Project, Ran, copied


class DockerStack:
    """A stack of target docker in a copy of the project."""

    def __init__(self, project: Project, engine: Engine, client: DockerClient) -> None:
        self.project, self.engine, self.client = project, engine, client
        self.stack = f"docker-{secrets.token_hex(3)}"
        self.name = f"infraops-{self.stack}"
        self.configure()

    def configure(self, **settings: object) -> None:
        self.project.configure(self.stack, **{"target": "docker", "image": f"{self.engine.repository}:17"} | settings)

    def infraops(self, *words: str, **extra: str) -> Ran:
        return self.project.infraops(*words, **extra)

    def up(self) -> Ran:
        ran = self.infraops("up", self.stack)
        assert ran.code == 0, ran.text
        return ran

    def urls(self) -> dict[str, str]:
        told = self.infraops("env", self.stack, "--format", "json", "--direct", "--admin")
        assert told.code == 0, told.text
        urls: dict[str, str] = json.loads(told.out)
        return urls

    def preview(self, *flags: str) -> Ran:
        file = f"Pulumi.{self.stack}.yaml"
        ran = self.project.pulumi("preview", "--stack", self.stack, "--config-file", file, *flags)
        assert ran.code == 0, ran.text
        return ran

    def leaves_nothing(self) -> None:
        assert [each.name for each in self.client.containers.list(all=True) if self.name in str(each.name)] == []
        with pytest.raises(NotFound):
            self.client.volumes.get(self.name)


def rows(urls: dict[str, str]) -> int:
    with psycopg.connect(urls["DATABASE_URL"]) as connection:
        found = connection.execute("select count(*) from infraops_audit.audit_events").fetchone()
    assert found is not None
    return int(found[0])


@pytest.fixture(scope="module")
def new_stack(_engine: Engine) -> Iterator[Callable[[], DockerStack]]:
    """Makes stacks in one copy of the project; what they leave in the engine is removed."""
    made: list[DockerStack] = []
    with pytest.MonkeyPatch.context() as patch, copied() as project, _engine.client() as client:
        patch.setenv("DOCKER_HOST", _engine.url)

        def make() -> DockerStack:
            made.append(DockerStack(project, _engine, client))
            return made[-1]

        yield make
        for stack in made:
            erase(client, stack.name)


@pytest.fixture(scope="module")
def first_up(new_stack: Callable[[], DockerStack]) -> tuple[DockerStack, Ran, ArgumentWatch]:
    """A stack that has been made under watch; each test leaves it up but the last."""
    stack, watch = new_stack(), ArgumentWatch()
    watch.start()
    ran = stack.up()
    watch.done.set()
    watch.join()
    return stack, ran, watch


@pytest.fixture
def stack(first_up: tuple[DockerStack, Ran, ArgumentWatch]) -> DockerStack:
    return first_up[0]


def test_no_password_is_anywhere_in_clear_and_a_second_up_changes_nothing(first_up: tuple[DockerStack, Ran, ArgumentWatch]) -> None:
    stack, first, first_watch = first_up
    watch = ArgumentWatch()
    watch.start()
    by_hand = stack.project.pulumi("up", "--yes", "--stack", stack.stack, "--diff", "--refresh", "--config-file",
                                   f"Pulumi.{stack.stack}.yaml")  # fmt: skip
    watch.done.set()
    watch.join()
    assert "provider      docker" in first.out
    for said in ("Making    the volume", "Initialising  Postgres 17 in the volume", "Starting  the container", "Smoke     1 row inserted"):
        assert said in first.err
    assert by_hand.code == 0, by_hand.text
    assert "8 unchanged" in by_hand.out

    urls = stack.urls()
    names = ("DATABASE_URL", "DIRECT_DATABASE_URL", "READONLY_DATABASE_URL", "ADMIN_DATABASE_URL")
    literal = {psycopg.conninfo.conninfo_to_dict(urls[name])["password"] for name in names if name in urls}
    assert len(literal) >= 3
    container = stack.client.containers.get(stack.name)
    told = {
        "infraops up": first.text,
        "pulumi up": by_hand.text,
        "arguments": "\n".join([*first_watch.seen, *watch.seen]),
        "docker inspect": json.dumps(container.attrs) + json.dumps(stack.client.volumes.get(stack.name).attrs),
        "docker logs": container.logs().decode(),
    }
    if os.geteuid() == 0:
        told["the server's environment"] = Path(f"/proc/{container.attrs['State']['Pid']}/environ").read_text()
        assert "PGDATA" in told["the server's environment"]
    files = {str(path): path.read_text(errors="replace") for path in stack.project.root.rglob("*") if path.is_file()}
    for where, text in (told | files).items():
        for secret in literal:
            assert str(secret) not in text, f"a password is in {where}"
    assert "POSTGRES_PASSWORD" not in told["docker inspect"]
    assert any("history" in name for name in files)

    for command in (["smoke", stack.stack], ["migrate", "status", "--stack", stack.stack], ["audit", "verify", "--stack", stack.stack]):
        used = stack.infraops(*command)
        assert used.code == 0, used.text


def test_mishaps_and_another_image_keep_every_row(stack: DockerStack) -> None:
    urls = stack.urls()
    kept = rows(urls)
    container = stack.client.containers.get(stack.name)
    container.kill()
    assert "7 same, 1 update" in stack.up().err

    container.remove(force=True)
    assert "is gone: will be made" in stack.preview("--diff").text
    assert "7 same, 1 update" in stack.up().err
    assert rows(urls) == kept

    stack.configure(image=f"{stack.engine.repository}:17.10-b", memory="512m")
    ran = stack.up()
    assert "has another image, memory: will be replaced" in ran.err
    assert "7 same, 1 update" in ran.err
    assert rows(urls) == kept
    assert stack.urls() == urls

    stack.configure(image=f"{stack.engine.repository}:18")
    refused = stack.infraops("up", stack.stack)
    assert refused.code == 1
    assert "were made by Postgres 17, and this stack asks for 18" in refused.err
    assert "a second stack and a cutover" in refused.err
    assert rows(urls) == kept
    stack.configure()


def test_a_lost_volume_is_told_and_begins_anew(stack: DockerStack) -> None:
    stack.client.containers.get(stack.name).remove(force=True)
    stack.client.volumes.get(stack.name).remove()
    ran = stack.up()
    assert f"the data in the volume {stack.name} are gone: an empty database will be made" in ran.err
    assert rows(stack.urls()) == 1


def test_down_leaves_nothing(stack: DockerStack) -> None:
    port = int(str(psycopg.conninfo.conninfo_to_dict(stack.urls()["DATABASE_URL"])["port"]))
    down = stack.infraops("down", stack.stack, "--yes")
    assert down.code == 0, down.text
    assert f"Removing  the volume {stack.name}, the data of stack {stack.stack}" in down.err
    stack.leaves_nothing()
    assert loopback.is_free(port)


def test_a_run_that_is_killed_leaves_nothing_that_down_does_not_find(new_stack: Callable[[], DockerStack], tmp_path: Path) -> None:
    stack = new_stack()
    with stack.project.start("up", stack.stack) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith("Initialising"):
                break
        run.kill()
    for process_of_run in stack.project.processes():
        with suppress(psutil.Error):
            process_of_run.kill()
    wait_until(lambda: not stack.project.processes(), "the end of the killed run")
    for command in (["up", stack.stack], ["down", stack.stack, "--yes"]):
        gone = stack.infraops(*command, DOCKER_HOST=f"unix://{tmp_path}/none")
        assert gone.code == 1, gone.text
        assert "no Docker engine runs: there is no such socket" in gone.err
        assert "Traceback" not in gone.text
    down = stack.infraops("down", stack.stack, "--yes")
    assert down.code == 0, down.text
    stack.leaves_nothing()
