"""Images: their names, pulled from a registry that may refuse, and what they say of themselves."""

import secrets
from collections.abc import Iterator

import pytest
from docker import DockerClient

from infraops_core.errors import UserError
from infraops_core.servers.docker import engine, images
from infraops_core.servers.docker.images import Asked, Image
from tests import fix_registry, postgres_image
from tests.fix_docker import Engine
from tests.fix_registry import Registry

OF_POSTGRES = "ENV PG_MAJOR=17 PGDATA=/var/lib/postgresql/data\nVOLUME /var/lib/postgresql/data\nCOPY Dockerfile /"


@pytest.mark.parametrize(
    ("reference", "major"),
    [
        ("postgres:17", 17),
        ("postgres:17.5", 17),
        ("postgres:16-alpine3.20", 16),
        ("postgres:18beta1", 18),
        ("pgvector/pgvector:pg17", 17),
        ("pgvector/pgvector:0.8.0-pg16-bookworm", 16),
        ("postgis/postgis:16-3.4", 16),
        ("timescale/timescaledb:2.17.2-pg17", 17),
        ("localhost:5000/postgres:18", 18),
        ("localhost:5017/postgres", None),
        ("postgres", None),
        ("postgres:latest", None),
        ("mine:2024-11-03", None),
    ],
)
def test_the_major_version_that_a_tag_names(reference: str, major: int | None) -> None:
    assert images.major_in(reference) == major


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (Asked("postgres:17"), "postgres:17"),
        (Asked("postgres"), "postgres:latest"),
        (Asked("localhost:5000/a/b"), "localhost:5000/a/b:latest"),
        (Asked("localhost:5000/a/b:1", "sha256:00"), "localhost:5000/a/b@sha256:00"),
    ],
)
def test_what_an_engine_finds_it_by(asked: Asked, name: str) -> None:
    assert asked.name == name


@pytest.fixture
def registry(docker_client: DockerClient) -> Iterator[Registry]:
    with fix_registry.running() as running:
        yield running
        for image in docker_client.images.list():
            for tag in image.tags:
                if tag.startswith(running.address):
                    docker_client.images.remove(tag, force=True)


@pytest.fixture
def repository() -> str:
    return f"test-{secrets.token_hex(4)}"


def made(client: DockerClient, name: str, instructions: str = OF_POSTGRES) -> None:
    postgres_image.derive(client, "scratch", name, f"{instructions}\nLABEL made={secrets.token_hex(8)}")


def have(asked: Asked) -> Image:
    with engine.connected() as client:
        return images.have(client, asked)


def test_one_that_is_not_there_is_pulled_once(
    docker_client: DockerClient, registry: Registry, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked(registry.name(repository))
    made(docker_client, asked.reference)
    digest = registry.serve(docker_client, asked.reference, repository)
    docker_client.images.remove(asked.reference)

    image = have(asked)
    assert (image.major, image.mount, image.digest) == (17, "/var/lib/postgresql/data", digest)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["Pulling", "Pulled"]
    registry.content.clear()
    assert have(asked) == image
    assert capsys.readouterr().out == ""

    by_digest = have(Asked(asked.reference, digest))
    assert (by_digest.id, by_digest.name) == (image.id, f"{registry.address}/{repository}@{digest}")


def test_a_digest_is_pulled_whatever_the_tag_now_is(docker_client: DockerClient, registry: Registry, repository: str) -> None:
    name = registry.name(repository)
    made(docker_client, name)
    first = registry.serve(docker_client, name, repository)
    made(docker_client, name)
    second = registry.serve(docker_client, name, repository)
    docker_client.images.remove(name)
    assert first != second
    assert have(Asked(name)).digest == second
    assert have(Asked(name, first)).digest == first


def test_its_digest_is_the_one_that_its_own_registry_knows_it_by(docker_client: DockerClient, registry: Registry, repository: str) -> None:
    name, other = registry.name(repository), registry.name(f"{repository}-too")
    made(docker_client, name)
    digests = [
        registry.serve(docker_client, name, repository),
        registry.serve(docker_client, name, f"{repository}-too", architecture=docker_client.version()["Arch"]),
    ]
    docker_client.images.remove(name)
    assert len({have(Asked(each)).id for each in (name, other)}) == 1
    assert [have(Asked(each)).digest for each in (name, other)] == digests


def test_one_that_was_built_here_has_its_id_for_a_digest(docker_client: DockerClient, repository: str) -> None:
    made(docker_client, f"{repository}:17")
    image = have(Asked(f"{repository}:17"))
    assert image.digest == image.id
    assert have(Asked(f"{repository}:17", image.id)).id == image.id
    docker_client.images.remove(f"{repository}:17")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (404, "there is no image NAME: "),
        (401, "the registry refuses the image NAME, or has none: "),
        (403, "the registry refuses the image NAME, or has none: "),
        (429, "the registry gives no more images for now: "),
    ],
)
def test_a_pull_that_the_registry_refuses(docker_engine: Engine, registry: Registry, repository: str, status: int, told: str) -> None:
    registry.refuse(repository, status)
    name = registry.name(repository)
    with pytest.raises(UserError) as refused:
        have(Asked(name))
    assert refused.value.what.startswith(told.replace("NAME", name))
    assert refused.value.next


def test_a_tag_that_is_not_there(docker_client: DockerClient, registry: Registry, repository: str) -> None:
    made(docker_client, registry.name(repository))
    registry.serve(docker_client, registry.name(repository), repository)
    with pytest.raises(UserError, match="there is no image"):
        have(Asked(registry.name(repository, "16")))


def test_an_image_for_other_platforms(docker_client: DockerClient, registry: Registry, repository: str) -> None:
    name = registry.name(repository)
    made(docker_client, name)
    registry.serve(docker_client, name, repository, architecture="s390x")
    docker_client.images.remove(name)
    with pytest.raises(UserError, match="for this engine's platform: no matching manifest"):
        have(Asked(name))


def test_a_registry_that_is_not_there(docker_engine: Engine) -> None:
    with pytest.raises(UserError, match=r"the image 127.0.0.1:1/postgres:17 could not be pulled: .*connection refused") as refused:
        have(Asked("127.0.0.1:1/postgres:17"))
    assert "docker load" in refused.value.next


def test_a_registry_that_stalls_is_not_waited_for_without_end(
    docker_engine: Engine, registry: Registry, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_STALL_SECONDS", 0.3)
    registry.stalls.add(f"/v2/{repository}/")
    with pytest.raises(UserError, match=r"could not be pulled: no news for 0\.3 s"):
        have(Asked(registry.name(repository)))


def test_an_image_that_is_no_postgres(docker_client: DockerClient, repository: str) -> None:
    made(docker_client, f"{repository}:17", "COPY Dockerfile /")
    with pytest.raises(UserError, match="does not say which Postgres it is: it has no PG_MAJOR in its environment"):
        have(Asked(f"{repository}:17"))
    docker_client.images.remove(f"{repository}:17")


@pytest.mark.parametrize(
    ("instructions", "mount"),
    [
        ("ENV PG_MAJOR=18 PGDATA=/var/lib/postgresql/18/docker\nVOLUME /var/lib/postgresql", "/var/lib/postgresql"),
        ("ENV PG_MAJOR=17 PGDATA=/data/inner\nVOLUME /elsewhere", "/data/inner"),
        ("ENV PG_MAJOR=17", "/var/lib/postgresql/data"),
    ],
)
def test_the_volume_goes_where_the_image_has_its_own(docker_client: DockerClient, repository: str, instructions: str, mount: str) -> None:
    made(docker_client, f"{repository}:1", f"{instructions}\nCOPY Dockerfile /")
    assert have(Asked(f"{repository}:1")).mount == mount
    docker_client.images.remove(f"{repository}:1")
