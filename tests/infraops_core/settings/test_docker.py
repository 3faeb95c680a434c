"""What the file of a stack of target docker may say."""

import pytest

from infraops_core.errors import UserError
from infraops_core.settings import DockerSettings, parse


def settings(**given: object) -> DockerSettings:
    read = parse("docker", {"infraops:target": "docker"} | {f"infraops:{key}": value for key, value in given.items()})
    assert isinstance(read, DockerSettings)
    return read


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("image", "postgres:17", "postgres:17"),
        ("image", "pgvector/pgvector:pg17", "pgvector/pgvector:pg17"),
        ("image", "localhost:5000/team/my-postgres_17:17.5-alpine", "localhost:5000/team/my-postgres_17:17.5-alpine"),
        ("image", "postgres", "postgres"),
        ("digest", "sha256:" + "0a" * 32, "sha256:" + "0a" * 32),
        ("port", 15432, 15432),
        ("port", "15432", 15432),
        ("volume", "infraops_data-1.x", "infraops_data-1.x"),
        ("memory", "128m", 128 * 2**20),
        ("memory", "2g", 2 * 2**30),
        ("cpus", 2, 2.0),
        ("cpus", "0.5", 0.5),
        ("cpus", 1.25, 1.25),
    ],
)
def test_taken(key: str, value: object, read: object) -> None:
    assert getattr(settings(**{key: value}), key) == read


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("image", "Postgres:17", "an image's name and tag"),
        ("image", "postgres:17 --privileged", "an image's name and tag"),
        ("image", "postgres@sha256:" + "0" * 64, "a digest goes to infraops:digest"),
        ("image", "", "an image's name and tag"),
        ("image", "postgres:", "an image's name and tag"),
        ("digest", "0" * 64, "sha256: and 64 hexadecimal digits"),
        ("digest", "sha256:" + "G" * 64, "sha256: and 64 hexadecimal digits"),
        ("port", 80, "a whole number from 1024 to 65535"),
        ("volume", "/srv/data", "letters, digits"),
        ("volume", "x", "from 2 to 100"),
        ("memory", "512", "then m (MiB) or g (GiB)"),
        ("memory", 512, "then m (MiB) or g (GiB)"),
        ("memory", "64m", "from 128m"),
        ("memory", "1.5g", "a whole number"),
        ("memory", "1gb", "then m (MiB) or g (GiB)"),
        ("cpus", 0, "from 0.05"),
        ("cpus", "-1", "from 0.05"),
        ("cpus", "1.234", "two decimals"),
        ("cpus", True, "a number"),
        ("cpus", "all", "a number"),
        ("postgresBin", "/usr/bin", "unknown setting"),
    ],
)
def test_refused_and_what_is_allowed(key: str, value: object, allowed: str) -> None:
    with pytest.raises(UserError) as refused:
        settings(**{key: value})
    assert f"infraops:{key}" in refused.value.what
    assert allowed in refused.value.what


def test_nothing_has_to_be_said_but_the_target() -> None:
    read = settings()
    assert (read.image, read.digest, read.port, read.volume, read.memory, read.cpus) == (None,) * 6
