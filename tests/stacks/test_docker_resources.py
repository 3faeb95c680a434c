"""The volume and the container as resources: what a diff sees, and what each step does to the real engine."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from docker import DockerClient

from infraops_core import passwords
from infraops_core.errors import UserError
from infraops_core.settings import DockerSettings, parse
from stacks.resources.container import _ContainerProvider
from stacks.resources.volume import _VolumeProvider
from stacks.targets.docker import _image
from tests.fix_docker import Engine, erase

Properties = dict[str, Any]
VOLUME, CONTAINER = _VolumeProvider(), _ContainerProvider()


@pytest.fixture
def props(docker_engine: Engine, docker_client: DockerClient) -> Iterator[Properties]:
    """Inputs of both, numbers as the engine of Pulumi hands them over."""
    stack = f"test-{secrets.token_hex(4)}"
    yield {
        "project": "infraops", "stack": stack, "volume": f"infraops-{stack}", "image": f"{docker_engine.repository}:17", "digest": "",
        "major": 17.0, "wanted_port": 0.0, "memory": 0.0, "cpus": 0.0, "protected": False, "admin_password": passwords.generate(),
    }  # fmt: skip
    erase(docker_client, f"infraops-{stack}")


def made(props: Properties) -> tuple[Properties, Properties]:
    volume = VOLUME.create(props).outs
    assert volume is not None
    props["engine"] = volume["engine"]
    container = CONTAINER.create(props).outs
    assert container is not None
    return volume, container


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
    volume, container = made(props)
    docker_client.containers.get(props["volume"]).remove(force=True)
    docker_client.volumes.get(props["volume"]).remove()
    with pytest.raises(UserError, match=r"the data of the protected stack .+ are gone"):
        VOLUME.diff("", volume, props | {"protected": True})
    for provider, outs in ((VOLUME, volume), (CONTAINER, container)):
        diff = provider.diff("", outs, props)
        assert (diff.changes, diff.replaces, diff.delete_before_replace) == (True, ["volume"], True)


def test_a_volume_that_was_moved_to_another_engine_is_followed(props: Properties, capsys: pytest.CaptureFixture[str]) -> None:
    volume, container = made(props)
    assert VOLUME.diff("", volume | {"engine": "another"}, props).changes
    followed = VOLUME.update("", volume | {"engine": "another"}, props).outs or {}
    assert followed["engine"] == volume["engine"]
    assert "Following  the data" in capsys.readouterr().out
    assert not CONTAINER.diff("", container, props).changes


def test_nothing_is_deleted_on_another_engine_than_the_recorded_one(props: Properties, docker_client: DockerClient) -> None:
    volume, container = made(props)
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
    with pytest.raises(UserError, match="postgres:16 is named for Postgres 16, and infraops:postgresVersion asks for 17"):
        asked(image="postgres:16", postgresVersion=17)
