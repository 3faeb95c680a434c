"""A container's life: made once, left alone, brought back after whatever happened to it, replaced, removed."""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from docker import DockerClient
from docker.models.containers import Container
from requests.exceptions import ReadTimeout

from infraops_core import passwords
from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.errors import UserError
from infraops_core.servers import first_answer, loopback
from infraops_core.servers.docker import answer, containers, place, replacement, server
from infraops_core.servers.docker.containers import Limits
from infraops_core.servers.docker.images import Asked
from infraops_core.tls import Tls
from tests import postgres_image
from tests.fix_docker import Engine, Stack
from tests.fix_postgres import wait_until

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may halt a container's processes; unproven: a halted server")


def container_of(stack: Stack) -> Container:
    return stack.client.containers.get(stack.name)


@pytest.fixture
def image(docker_engine: Engine, docker_client: DockerClient) -> Iterator[Callable[[str], Asked]]:
    """Makes images of ours with a few more instructions."""
    names: list[str] = []

    def make(instructions: str) -> Asked:
        names.append(f"infraops-test-{secrets.token_hex(4)}:17")
        postgres_image.derive(docker_client, f"{docker_engine.repository}:17", names[-1], instructions)
        return Asked(names[-1])

    yield make
    for name in names:
        docker_client.images.remove(name, force=True)


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield


def test_it_is_made_once_and_then_left_alone(docker_stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    made = docker_stack.ensure()
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()][-2:] == ["Initialising", "Starting"]
    begun = docker_stack.client.containers.get(docker_stack.name).attrs["State"]["StartedAt"]

    assert docker_stack.look(last_port=made.port, known=True) == ""
    assert docker_stack.ensure(last_port=made.port, known=True) == made
    assert capsys.readouterr().out == ""
    assert docker_stack.client.containers.get(docker_stack.name).attrs["State"]["StartedAt"] == begun


def test_it_is_set_up_for_replication_closed_to_the_network_and_limited(container_with_a_row: tuple[Stack, server.Running]) -> None:
    docker_stack, _ = container_with_a_row
    made = docker_stack.ensure(limits=Limits(256 * 2**20, 0.5))
    settings = {
        "password_encryption": "scram-sha-256",
        "wal_level": "logical",
        "max_prepared_transactions": "10",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "fsync": "on",
    }
    with docker_stack.access(made).connect(seconds=30) as connection:
        rows = connection.execute("select name, setting from pg_settings where name = any(%s)", (list(settings),)).fetchall()
        rules = connection.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
    assert dict(rows) == settings
    assert rules == [("scram-sha-256",)]
    attrs = docker_stack.client.containers.get(docker_stack.name).attrs
    assert attrs["NetworkSettings"]["Ports"]["5432/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(made.port)}]
    host = attrs["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (256 * 2**20, 256 * 2**20, 5 * 10**8)
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert attrs["Config"]["StopSignal"] == "SIGINT"
    assert attrs["Config"]["Healthcheck"]["Test"][:2] == ["CMD", "pg_isready"]
    assert [(mount["Type"], mount["Name"]) for mount in attrs["Mounts"]] == [("volume", docker_stack.name)]


def test_whatever_happens_to_it_it_comes_back_with_its_rows_on_its_port(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    mishaps: list[tuple[Callable[[Container], object], str]] = [
        (lambda container: container.kill(), "is down: will start"),
        (lambda container: container.stop(), "is down: will start"),
        (lambda container: container.pause(), "is paused: will go on"),
        (lambda container: container.remove(force=True), "is gone: will be made"),
    ]
    for mishap, told in mishaps:
        mishap(container_of(stack))
        assert stack.look(last_port=running.port, known=True) == f"The container {stack.name} {told}"
        assert stack.ensure(last_port=running.port, known=True) == running
        assert stack.rows(running) == [1]
        assert stack.look(last_port=running.port, known=True) == ""


def test_an_unhealthy_server_is_seen(container_with_a_row: tuple[Stack, server.Running], monkeypatch: pytest.MonkeyPatch) -> None:
    docker_stack, running = container_with_a_row
    quick = {"test": ["CMD", "pg_isready", "--port", "1"], "interval": 10**9, "timeout": 10**9, "retries": 1, "start_period": 0}
    monkeypatch.setattr(containers, "_HEALTHCHECK", quick)
    container_of(docker_stack).remove(force=True)
    docker_stack.ensure(last_port=running.port)
    said = f"The server in the container {docker_stack.name} gives no answer: will restart"
    wait_until(lambda: docker_stack.look() == said, "its failing health checks")
    container_of(docker_stack).remove(force=True)


@pytest.mark.parametrize("mishap", [Container.reload, Container.stop])
def test_a_container_that_was_renamed_by_hand_gets_its_name_back(
    container_with_a_row: tuple[Stack, server.Running], mishap: Callable[[Container], object]
) -> None:
    """Another one beside it would be a second server on the same data, once somebody starts the first."""
    stack, running = container_with_a_row
    container = container_of(stack)
    container.rename(f"{stack.name}-stray")
    mishap(container)
    assert stack.look(known=True) == f"The container {stack.name} is called {stack.name}-stray: will be renamed"
    assert stack.ensure(known=True) == running
    assert container_of(stack).id == container.id
    assert stack.rows(running) == [1]


def test_an_engine_that_fails_during_a_replacement_gets_the_one_before_back_too(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    before = container_of(stack)
    with pytest.raises(ReadTimeout), replacement.of(stack.client, before, stack.name, stack.wanted.owner):
        raise ReadTimeout
    assert (container_of(stack).id, container_of(stack).status) == (before.id, "running")
    assert stack.ensure() == running


@only_root
def test_a_server_that_gives_no_answer_is_restarted(
    container_with_a_row: tuple[Stack, server.Running], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack, running = container_with_a_row
    monkeypatch.setattr(first_answer, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(first_answer, "_TRY_SECONDS", 1)
    psutil.Process(container_of(stack).attrs["State"]["Pid"]).suspend()
    assert stack.look() == f"The server in the container {stack.name} gives no answer: will restart"
    begun = time.monotonic()
    assert stack.ensure(known=True) == running
    assert time.monotonic() - begun < 20
    assert f"Restarting  the container {stack.name}, which gives no answer" in capsys.readouterr().out
    assert stack.rows(running) == [1]


def test_one_that_answers_inside_and_not_on_its_port_is_told(docker_stack: Stack) -> None:
    stack, running = docker_stack, docker_stack.ensure()
    elsewhere = Access(build("u", "p", host="127.0.0.1", port=1, database="postgres", sslmode=Tls.DISABLE), Tls.DISABLE)
    told = answer.silent(container_of(stack), elsewhere)
    assert told.what == "the server answers in its container, and 127.0.0.1:1 of this machine does not lead to it"
    with stack.access(running).connect(seconds=30) as connection:
        connection.execute("alter system set listen_addresses = ''")
    container_of(stack).restart()
    wait_until(lambda: answer.silent(container_of(stack), elsewhere).what == "the server runs but gives no answer", "its silence")


def test_another_image_or_limit_replaces_the_container_and_keeps_the_volume(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    another = Asked(f"{stack.engine.repository}:17.10-b")
    changes: list[tuple[dict[str, object], str]] = [
        ({"limits": Limits(300 * 2**20, None)}, "memory"),
        ({"limits": Limits(300 * 2**20, 0.5)}, "cpus"),
        ({"image": another}, "image, memory, cpus"),
    ]
    for change, differs in changes:
        before = container_of(stack).id
        assert stack.look(**change) == f"The container {stack.name} has another {differs}: will be replaced"
        after = stack.ensure(**change)
        assert (after.port, after.identity) == (running.port, running.identity)
        assert container_of(stack).id != before
        assert stack.look(**change) == ""
        assert [each.name for each in stack.client.containers.list(all=True, filters={"volume": stack.name})] == [stack.name]
    assert after.image_digest != running.image_digest
    assert stack.rows(after) == [1]


def test_a_newer_image_of_the_same_name_is_seen(container_with_a_row: tuple[Stack, server.Running], image: Callable[[str], Asked]) -> None:
    stack, _ = container_with_a_row
    asked = image("LABEL edition=1")
    stack.ensure(image=asked)
    postgres_image.derive(stack.client, f"{stack.engine.repository}:17", asked.reference, "LABEL edition=2")
    assert "has another image: will be replaced" in stack.look(image=asked)
    assert stack.rows(stack.ensure(image=asked)) == [1]


def test_another_port_moves_the_server_and_is_kept_from_then_on(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    port = loopback.free_port()
    assert stack.look(port=port) == f"The container {stack.name} has another port: will be replaced"
    moved = stack.ensure(port=port)
    assert moved.port == port
    assert stack.rows(moved) == [1]
    assert loopback.is_free(running.port)
    assert stack.ensure() == moved


def test_an_image_of_another_major_version_is_refused_before_anything_is_touched(
    container_with_a_row: tuple[Stack, server.Running],
) -> None:
    stack, running = container_with_a_row
    begun = container_of(stack).attrs["State"]["StartedAt"]
    other = Asked(f"{stack.engine.repository}:18")
    for take in (stack.look, stack.ensure):
        with pytest.raises(UserError, match=f"the image {other.name} is Postgres 18, and this stack runs Postgres 17") as refused:
            take(image=other)
        assert "a second stack, and a cutover to it" in refused.value.next
        with pytest.raises(UserError, match="were made by Postgres 17, and this stack asks for 18"):
            take(image=other, major=18)
    assert container_of(stack).attrs["State"]["StartedAt"] == begun
    assert stack.rows(running) == [1]


def test_an_image_that_does_not_work_is_told_and_the_one_before_goes_on(
    container_with_a_row: tuple[Stack, server.Running], image: Callable[[str], Asked], capsys: pytest.CaptureFixture[str]
) -> None:
    stack, running = container_with_a_row
    bad = image('ENTRYPOINT ["sh", "-c", "echo FATAL: no such thing; exit 1"]')
    with pytest.raises(UserError, match="the server ends as soon as it starts: FATAL: no such thing"):
        stack.ensure(image=bad)
    assert f"Going back  to the container {stack.name} as it was" in capsys.readouterr().out
    assert stack.ensure() == running
    assert stack.rows(running) == [1]

    container_of(stack).remove(force=True)
    with pytest.raises(UserError, match="the server ends as soon as it starts: FATAL: no such thing") as refused:
        stack.ensure(image=bad, last_port=running.port)
    assert refused.value.where == f"container {stack.name}"
    assert container_of(stack).status == "exited"  # the engine does not start it again and again
    assert stack.ensure(last_port=running.port) == running


def test_an_image_for_another_platform_is_told(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    odd = Asked(f"{stack.name}-odd:17")
    program = {"entry": b"\x7fELF\x02\x01\x01" + bytes(60)}  # a head for no machine, and nothing behind it
    steps = 'COPY entry /bin/docker-odd\nRUN ["chmod", "755", "/bin/docker-odd"]\nENTRYPOINT ["docker-odd"]'
    postgres_image.derive(stack.client, f"{stack.engine.repository}:17", odd.reference, steps, program)
    with pytest.raises(UserError, match=r"the image is made for another platform than the engine's: .*exec format error"):
        stack.ensure(image=odd)
    assert stack.ensure() == running
    stack.client.images.remove(odd.reference, force=True)


def test_what_a_replacement_that_was_cut_short_left_is_put_in_order(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    _, before = replacement.names(stack.name)
    container = container_of(stack)
    container.stop()
    container.rename(before)
    assert stack.ensure(known=True) == running  # the new one was not made yet

    old = stack.client.containers.create(f"{stack.engine.repository}:17", name=before, labels=stack.wanted.owner.labels)
    assert stack.ensure(known=True) == running  # the new one was
    assert old.id not in [each.id for each in stack.client.containers.list(all=True)]
    assert stack.rows(running) == [1]


def test_somebody_elses_container_of_that_name_is_refused_and_untouched(docker_stack: Stack) -> None:
    other = docker_stack.client.containers.create(f"{docker_stack.engine.repository}:17", name=docker_stack.name)
    for take in (docker_stack.ensure, docker_stack.look):
        with pytest.raises(UserError, match=f"the container {docker_stack.name} does not say that a stack of ours has made it") as refused:
            take()
        assert "infraops:volume NAME" in refused.value.next
    place.clear(docker_stack.wanted.owner, docker_stack.name, docker_stack.engine_id)
    other.reload()


def test_at_the_first_start_a_taken_port_is_no_matter(docker_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [loopback.free_port(), loopback.free_port()]
    free = ports[1]
    monkeypatch.setattr(server, "free_port", lambda: ports.pop(0))
    with taken(ports[0]):
        assert docker_stack.ensure().port == free


def test_a_port_that_was_asked_for_or_had_is_refused_with_its_holder(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    port = loopback.free_port()
    with taken(port), pytest.raises(UserError, match=rf"port {port} of this server is taken by .+ \(process {os.getpid()}\)") as refused:
        stack.ensure(port=port)
    assert f"infraops:port {refused.value.next.split('infraops:port ')[1].split()[0]} --stack" in refused.value.next
    assert stack.ensure() == running  # it goes on where it was

    container_of(stack).stop()
    with taken(running.port), pytest.raises(UserError, match=rf"port {running.port} of this server is taken by"):
        stack.ensure()
    assert stack.ensure() == running


def test_a_port_that_another_container_has_is_refused_with_its_name(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    image, port = f"{stack.engine.repository}:17", loopback.free_port()
    ports = {"5432/tcp": ("127.0.0.1", port)}
    other = stack.client.containers.run(image, ["600"], entrypoint=["sleep"], name=f"{stack.name}-other", ports=ports, detach=True)
    with pytest.raises(UserError, match=f"port {port} of this server is taken by the container {other.name}"):
        stack.ensure(port=port)
    other.remove(force=True)
    assert stack.ensure() == running


def test_another_password_than_the_volumes_is_refused(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    other = passwords.generate()
    with pytest.raises(UserError, match="does not know this stack's password of infraops_admin") as refused:
        stack.ensure(admin_password=other)
    assert other not in str(refused.value)
    assert stack.rows(running) == [1]


def test_data_that_are_gone_are_told_and_for_a_protected_stack_refused(docker_stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stack, running = docker_stack, docker_stack.ensure()
    container = container_of(stack)
    container.exec_run(["sh", "-c", "cd /var/lib/postgresql/data && mv pgdata elsewhere && mkdir pgdata"])
    container.kill()
    with pytest.raises(UserError, match=r"the data of the protected stack .+ are gone"):
        stack.ensure(known=True, protected=True)
    again = stack.ensure(known=True)
    assert again.identity != running.identity
    assert f"warning: the data in the volume {stack.name} are gone: an empty database will be made" in capsys.readouterr().out


def test_more_processors_than_there_are_is_the_engines_to_refuse(docker_stack: Stack) -> None:
    with pytest.raises(UserError, match=r"the Docker engine refused: .*CPUs"):
        docker_stack.ensure(limits=Limits(None, 999))


def test_clear_removes_the_container_and_keeps_the_volume(container_with_a_row: tuple[Stack, server.Running]) -> None:
    stack, running = container_with_a_row
    place.clear(stack.wanted.owner, stack.name, stack.engine_id)
    assert stack.client.containers.list(all=True, filters={"name": stack.name}) == []
    assert loopback.is_free(running.port)
    assert stack.rows(stack.ensure(last_port=running.port)) == [1]
