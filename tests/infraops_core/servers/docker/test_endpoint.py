"""Which engine is spoken with: variables, contexts, and what is refused."""

import hashlib
import json
from pathlib import Path

import pytest

from infraops_core.errors import UserError
from infraops_core.servers.docker import endpoint


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A Docker configuration whose current context is `desk`, beside others."""
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "desk", "auths": {}}))
    for name, host in {"desk": "unix:///run/desk.sock", "far": "ssh://me@far", "near": "tcp://127.0.0.1:2375"}.items():
        context(tmp_path, name, {"Name": name, "Endpoints": {"docker": {"Host": host}}})
    return tmp_path


def context(folder: Path, name: str, content: object) -> None:
    path = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "unix:///run/desk.sock"),
        ({"DOCKER_CONTEXT": "near"}, "tcp://127.0.0.1:2375"),
        ({"DOCKER_CONTEXT": "default"}, "unix:///var/run/docker.sock"),
        ({"DOCKER_HOST": "unix:///run/x.sock", "DOCKER_CONTEXT": "near"}, "unix:///run/x.sock"),
        ({"DOCKER_HOST": "tcp://localhost:2376"}, "tcp://localhost:2376"),
        ({"DOCKER_HOST": "tcp://[::1]:2375"}, "tcp://[::1]:2375"),
    ],
)
def test_the_order_is_the_commands(configuration: Path, environment: dict[str, str], url: str) -> None:
    assert endpoint.find({"DOCKER_CONFIG": str(configuration)} | environment).url == url


def test_without_any_word_it_is_the_default_socket(tmp_path: Path) -> None:
    assert endpoint.find({"HOME": str(tmp_path)}).url == "unix:///var/run/docker.sock"
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"auths": {}}')
    assert endpoint.find({"HOME": str(tmp_path)}).url == "unix:///var/run/docker.sock"


@pytest.mark.parametrize(
    ("environment", "told", "where"),
    [
        ({"DOCKER_HOST": "/var/run/docker.sock"}, "/var/run/docker.sock is no address of a Docker engine", "DOCKER_HOST"),
        ({"DOCKER_HOST": "unix://"}, "unix:// is no address of a Docker engine", "DOCKER_HOST"),
        ({"DOCKER_HOST": "tcp://10.0.0.7:2375"}, "the Docker engine at 10.0.0.7 is on another machine", "DOCKER_HOST"),
        ({"DOCKER_HOST": "ssh://me@localhost"}, "the Docker engine at localhost is on another machine", "DOCKER_HOST"),
        ({"DOCKER_CONTEXT": "far"}, "the Docker engine at far is on another machine", "the context far, which DOCKER_CONTEXT names"),
        ({"DOCKER_CONTEXT": "lost"}, "there is no Docker context lost", "DOCKER_CONTEXT"),
    ],
)
def test_refused_and_why(configuration: Path, environment: dict[str, str], told: str, where: str) -> None:
    with pytest.raises(UserError) as refused:
        endpoint.find({"DOCKER_CONFIG": str(configuration)} | environment)
    assert refused.value.what.startswith(told)
    assert refused.value.where == where
    assert refused.value.next


def test_a_context_that_was_removed_is_named(configuration: Path) -> None:
    (configuration / "config.json").write_text('{"currentContext": "old"}')
    with pytest.raises(UserError, match="there is no Docker context old") as refused:
        endpoint.find({"DOCKER_CONFIG": str(configuration)})
    assert refused.value.where == str(configuration / "config.json")


def test_a_context_that_names_no_engine(configuration: Path) -> None:
    context(configuration, "empty", {"Name": "empty", "Endpoints": {}})
    with pytest.raises(UserError, match="the Docker context empty names no engine"):
        endpoint.find({"DOCKER_CONFIG": str(configuration), "DOCKER_CONTEXT": "empty"})


@pytest.mark.parametrize("content", ["[]", "null", '{"currentContext": 7}', '{"auths": {}}'])
def test_a_configuration_that_chooses_nothing_is_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    assert endpoint.find({"DOCKER_CONFIG": str(tmp_path)}).url == "unix:///var/run/docker.sock"


@pytest.mark.parametrize("content", [b"{", b"\xff", b""])
def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match="Docker's configuration cannot be read: it is not JSON") as refused:
        endpoint.find({"DOCKER_CONFIG": str(tmp_path)})
    assert refused.value.where == str(tmp_path / "config.json")
