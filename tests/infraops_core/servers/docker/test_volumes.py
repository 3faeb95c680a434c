"""The volume: whose it is, what is in it, and that nothing but a destroy deletes it."""

import secrets
from collections.abc import Iterator

import pytest
from docker import DockerClient
from docker.types import Mount

from infraops_core.errors import UserError
from infraops_core.servers.docker import place, volumes
from infraops_core.servers.docker.images import Asked
from infraops_core.servers.docker.ownership import Owner
from infraops_core.servers.docker.server import Running
from tests import postgres_image
from tests.fix_docker import Engine, Stack, erase

OURS = Owner("infraops", "test")


@pytest.fixture
def name(docker_client: DockerClient) -> Iterator[str]:
    name = f"infraops-volume-{secrets.token_hex(4)}"
    yield name
    erase(docker_client, name)


def run(client: DockerClient, stack: Stack, script: str) -> None:
    """Run a few words of shell in the volume of a stack whose container is not there."""
    image = f"{stack.engine.repository}:17"
    client.containers.run(
        image, [script], entrypoint=["sh", "-c"], mounts=[Mount("/v", stack.name)], working_dir="/v", remove=True, network_disabled=True
    )


def make(engine: Engine, name: str, owner: Owner = OURS, major: int = 17) -> str:
    return place.make(owner, name, Asked(f"{engine.repository}:{major}"), major)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({}, "does not say that a stack of ours has made it"),
        ({"infraops.project": "infraops"}, "does not say that a stack of ours has made it"),
        ({"infraops.project": "infraops", "infraops.stack": "prod"}, "belongs to the stack prod of infraops, not to test of infraops"),
        ({"infraops.project": "other", "infraops.stack": "test"}, "belongs to the stack test of other, not to test of infraops"),
    ],
)
def test_anothers_volume_is_refused_and_untouched(
    docker_engine: Engine, docker_client: DockerClient, name: str, labels: dict[str, str], told: str
) -> None:
    docker_client.volumes.create(name, labels=labels)
    engine_id = str(docker_client.info()["ID"])
    with pytest.raises(UserError, match=told) as refused:
        make(docker_engine, name)
    assert "infraops:volume" in refused.value.next
    with pytest.raises(UserError, match=told):
        place.remove(OURS, name, engine_id)
    assert docker_client.volumes.get(name).attrs["Labels"] in (labels, None)


def test_an_extension_that_the_image_has_not_is_refused_before_anything_is_made(
    docker_engine: Engine, docker_client: DockerClient, name: str
) -> None:
    image = Asked(f"{docker_engine.repository}:17")
    before = len(docker_client.containers.list(all=True))
    with pytest.raises(UserError, match="the server has no extension vector; nothing was changed") as refused:
        place.make(OURS, name, image, 17, ("pgcrypto", "vector"))
    assert refused.value.where == f"infraops:extensions, image {image.name}"
    assert volumes.find(docker_client, name) is None
    assert len(docker_client.containers.list(all=True)) == before
    assert place.make(OURS, name, image, 17, ("pgcrypto", "pg_trgm"))


def test_an_image_that_cannot_tell_its_extensions_is_let_through(docker_engine: Engine, docker_client: DockerClient, name: str) -> None:
    mute = f"{docker_engine.repository}:17-mute"
    postgres_image.derive(docker_client, f"{docker_engine.repository}:17", mute, "ENV PATH=/usr/local/bin:/usr/bin:/bin")
    assert place.make(OURS, name, Asked(mute), 17, ("vector",))


def test_one_that_was_made_by_hand_with_the_labels_is_used(docker_engine: Engine, docker_client: DockerClient, name: str) -> None:
    docker_client.volumes.create(name, labels=OURS.labels)
    assert make(docker_engine, name)


def test_a_volume_of_another_major_version_is_refused(docker_engine: Engine, docker_client: DockerClient, name: str) -> None:
    engine_id = make(docker_engine, name)
    told = f"the data in the volume {name} were made by Postgres 17, and this stack asks for 18"
    with pytest.raises(UserError, match=told):
        make(docker_engine, name, major=18)
    with pytest.raises(UserError, match=told) as refused:
        place.look(OURS, name, engine_id, name, 18)
    assert "infraops:postgresVersion 17" in refused.value.next
    assert "a second stack and a cutover" in refused.value.next


def test_data_of_another_major_version_are_refused_whatever_the_label_says(container_with_a_row: tuple[Stack, Running]) -> None:
    docker_stack, _ = container_with_a_row
    docker_stack.client.containers.get(docker_stack.name).remove(force=True)
    run(docker_stack.client, docker_stack, "echo 16 > pgdata/PG_VERSION")
    with pytest.raises(UserError, match="were made by Postgres 16, and this stack asks for 17"):
        docker_stack.ensure(known=True)
    run(docker_stack.client, docker_stack, "echo 17 > pgdata/PG_VERSION")


def test_data_that_are_not_whole_are_refused(container_with_a_row: tuple[Stack, Running]) -> None:
    docker_stack, running = container_with_a_row
    docker_stack.client.containers.get(docker_stack.name).remove(force=True)
    run(docker_stack.client, docker_stack, "mv pgdata/PG_VERSION kept")
    with pytest.raises(UserError, match="are not a whole Postgres data folder"):
        docker_stack.ensure(known=True)
    run(docker_stack.client, docker_stack, "mv pgdata/global/pg_control control")
    with pytest.raises(UserError, match="are not a whole Postgres data folder"):
        docker_stack.ensure()
    run(docker_stack.client, docker_stack, "mv control pgdata/global/pg_control && mv kept pgdata/PG_VERSION")
    assert docker_stack.ensure(known=True, last_port=running.port) == running


def test_a_database_that_this_state_knows_nothing_of_is_refused(container_with_a_row: tuple[Stack, Running]) -> None:
    docker_stack, _ = container_with_a_row
    with pytest.raises(UserError, match="there is a database in this stack's volume that this state knows nothing of"):
        place.make(docker_stack.wanted.owner, docker_stack.name, docker_stack.wanted.image, 17)


def test_a_volume_that_another_container_runs_with_is_refused(container_with_a_row: tuple[Stack, Running]) -> None:
    """Two servers on one volume are both process 1, which is all that Postgres' lock knows of."""
    docker_stack, running = container_with_a_row
    image, stray = f"{docker_stack.engine.repository}:17", f"{docker_stack.name}-stray"
    container = docker_stack.client.containers.run(
        image, ["600"], entrypoint=["sleep"], name=stray, mounts=[Mount("/v", docker_stack.name)], detach=True, stop_signal="SIGKILL"
    )
    for take in (docker_stack.ensure, docker_stack.look):
        with pytest.raises(UserError, match=f"is in use: the container {stray} runs with it") as refused:
            take()
        assert refused.value.next == f"docker stop {stray}; then run it again"
    container.stop()
    assert docker_stack.ensure() == running
    container.remove()


def test_another_volume_than_the_recorded_one_is_refused_or_followed(docker_engine: Engine, docker_client: DockerClient, name: str) -> None:
    engine_id, other = make(docker_engine, name), f"{name}-other"
    with pytest.raises(UserError, match=f"data are in the volume {name}, and this run asks for {other}: nothing moves or deletes them"):
        place.look(OURS, name, engine_id, other, 17)
    docker_client.volumes.get(name).remove()
    assert place.look(OURS, name, engine_id, other, 17) is place.Move.GONE
    docker_client.volumes.create(other, labels=OURS.labels)
    assert place.look(OURS, name, engine_id, other, 17) is place.Move.FOLLOWED
    docker_client.volumes.get(other).remove()


def test_another_engine_than_the_recorded_one_deletes_nothing(docker_engine: Engine, docker_client: DockerClient, name: str) -> None:
    told = f"this stack's data are in the volume {name} of another Docker engine than the one at {docker_engine.url}"
    with pytest.raises(UserError, match=told) as refused:
        place.look(OURS, name, "another", name, 17)
    assert "docker context use" in refused.value.next
    assert "--preserve-config" in refused.value.next  # or the stack's file would go too
    engine_id = make(docker_engine, name)
    for end in (place.clear, place.remove):
        with pytest.raises(UserError, match=told):
            end(OURS, name, "another")
    assert place.look(OURS, name, "another", name, 17) is place.Move.FOLLOWED  # it was moved here
    place.remove(OURS, name, engine_id)
    assert volumes.find(docker_client, name) is None


def test_a_lost_volume_is_told_and_for_a_protected_stack_refused(capsys: pytest.CaptureFixture[str]) -> None:
    volumes.check_loss("data", "dev", protected=False)
    assert capsys.readouterr().out == "warning: the data in the volume data are gone: an empty database will be made\n"
    with pytest.raises(UserError, match="the data of the protected stack prod are gone"):
        volumes.check_loss("data", "prod", protected=True)


def test_a_volume_in_use_is_not_removed(docker_stack: Stack) -> None:
    image = f"{docker_stack.engine.repository}:17"
    foreign = docker_stack.client.containers.create(image, name=f"{docker_stack.name}-x", mounts=[Mount("/v", docker_stack.name)])
    with pytest.raises(UserError, match=f"is used by the container {foreign.name}") as refused:
        place.remove(docker_stack.wanted.owner, docker_stack.name, docker_stack.engine_id)
    assert refused.value.next == f"docker rm --force {foreign.name}; then run it again"
    foreign.remove()
    place.remove(docker_stack.wanted.owner, docker_stack.name, docker_stack.engine_id)
    assert volumes.find(docker_stack.client, docker_stack.name) is None
