"""The volume and the container as resources: what a diff sees, and what each step does to the real engine."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from docker import DockerClient

from infraops_core import passwords
from infraops_core.errors import UserError
from infraops_core.servers.docker import server
from infraops_core.settings import DockerSettings, parse
from stacks.resources.container import _ContainerProvider
from stacks.resources.volume import _VolumeProvider
from stacks.targets.docker import _image
from tests.fix_docker import Engine, Stack, erase

Properties = dict[str, Any]
VOLUME, CONTAINER = _VolumeProvider(), _ContainerProvider()


@pytest.fixture
def props(docker_engine: Engine, docker_client: DockerClient) -> Iterator[Properties]:
    """Inputs of both, numbers as the engine of Pulumi hands them over."""
    stack = f"test-{secrets.token_hex(4)}"
    yield {
        "project": "infraops", "stack": stack, "volume": f"infraops-{stack}", "image": f"{docker_engine.repository}:17", "digest": "",
        "major": 17.0, "wanted_port": 0.0, "memory": 0.0, "cpus": 0.0, "protected": False, "extensions": [],
        "admin_password": passwords.generate(),
    }  # fmt: skip
    erase(docker_client, f"infraops-{stack}")


def made(props: Properties) -> tuple[Properties, Properties]:
    volume = VOLUME.create(props).outs
    assert volume is not None
    props["engine"] = volume["engine"]
    container = CONTAINER.create(props).outs
    assert container is not None
    return volume, container


def of(kept: tuple[Stack, server.Running]) -> tuple[Properties, Properties, Properties]:
    """Inputs of both, the volume's outputs, the container's, for a server that is there already."""
    stack, running = kept
    wanted = stack.wanted
    inputs = {
        "project": wanted.owner.project, "stack": wanted.owner.stack, "volume": wanted.volume, "image": wanted.image.reference,
        "digest": "", "major": 17.0, "wanted_port": 0.0, "memory": 0.0, "cpus": 0.0, "protected": False, "extensions": [],
        "admin_password": wanted.admin_password, "engine": stack.engine_id,
    }  # fmt: skip
    return inputs, VOLUME.kept(inputs) | {"engine": stack.engine_id}, CONTAINER.kept(inputs) | {"port": running.port}


def test_a_life(props: Properties, docker_client: DockerClient, capsys: pytest.CaptureFixture[str]) -> None:
    volume, container = made(props)
    assert props["admin_password"] not in str(volume) + str(container)
    assert container["image_digest"].startswith("sha256:")
    assert (VOLUME.diff("", volume, props).changes, CONTAINER.diff("", container, props).changes) == (False, False)

    smaller = props | {"memory": 256.0 * 2**20}
    assert CONTAINER.diff("", container, smaller).changes
    container = CONTAINER.update("", container, smaller).outs or {}
    assert not CONTAINER.diff("", container, smaller).changes

    docker_client.containers.get(props["volume"]).remove(force=True)
    capsys.readouterr()
    assert CONTAINER.diff("", container, smaller).changes
    assert capsys.readouterr().out == f"The container {props['volume']} is gone: will be made\n"
    again = CONTAINER.update("", container, smaller).outs or {}
    assert (again["port"], again["identity"]) == (container["port"], container["identity"])

    for provider in (VOLUME, CONTAINER):
        with pytest.raises(UserError, match="were made by Postgres 17, and this stack asks for 18"):
            provider.diff("", volume | again, smaller | {"major": 18.0, "image": smaller["image"].replace(":17", ":18")})

    CONTAINER.delete("", again)
    VOLUME.delete("", volume)
    assert docker_client.containers.list(all=True, filters={"name": props["volume"]}) == []
    assert docker_client.volumes.list(filters={"name": props["volume"]}) == []


def test_a_volume_that_is_gone_is_replaced_but_not_a_protected_stacks(props: Properties, docker_client: DockerClient) -> None:
    volume = VOLUME.create(props).outs or {}
    container = props | {"engine": volume["engine"], "port": 1.0}
    docker_client.volumes.get(props["volume"]).remove()
    with pytest.raises(UserError, match=r"the data of the protected stack .+ are gone"):
        VOLUME.diff("", volume, props | {"protected": True})
    for provider, outs in ((VOLUME, volume), (CONTAINER, container)):
        diff = provider.diff("", outs, props)
        assert (diff.changes, diff.replaces, diff.delete_before_replace) == (True, ["volume"], True)


def test_a_volume_that_was_moved_to_another_engine_is_followed(
    container_with_a_row: tuple[Stack, server.Running], capsys: pytest.CaptureFixture[str]
) -> None:
    props, volume, container = of(container_with_a_row)
    assert VOLUME.diff("", volume | {"engine": "another"}, props).changes
    followed = VOLUME.update("", volume | {"engine": "another"}, props).outs or {}
    assert followed["engine"] == volume["engine"]
    assert "Following  the data" in capsys.readouterr().out
    assert not CONTAINER.diff("", container, props).changes


def test_nothing_is_deleted_on_another_engine_than_the_recorded_one(
    container_with_a_row: tuple[Stack, server.Running], docker_client: DockerClient
) -> None:
    props, volume, container = of(container_with_a_row)
    for provider, outs in ((CONTAINER, container), (VOLUME, volume)):
        with pytest.raises(UserError, match="of another Docker engine than the one at"):
            provider.delete("", outs | {"engine": "another"})
    assert docker_client.containers.get(props["volume"]).status == "running"


def test_an_image_and_a_version_at_odds_are_refused() -> None:
    def asked(**given: object) -> tuple[str, int]:
        read = parse("docker", {"infraops:target": "docker"} | {f"infraops:{key}": value for key, value in given.items()})
        assert isinstance(read, DockerSettings)
        return _image(read)

    assert asked() == ("postgres:17", 17)
    assert asked(postgresVersion=18) == ("postgres:18", 18)
    assert asked(image="pgvector/pgvector:pg16") == ("pgvector/pgvector:pg16", 16)
    assert asked(image="mine/postgres:latest", postgresVersion=18) == ("mine/postgres:latest", 18)
    with pytest.raises(UserError, match="postgres:15 is named for Postgres 15, and this runs 16 to 18"):
        asked(image="postgres:15")
    with pytest.raises(UserError, match="postgres:16 is named for Postgres 16, and infraops:postgresVersion asks for 17"):
        asked(image="postgres:16", postgresVersion=17)
