"""A conversation with a Docker engine: bounded, and with every way it fails told."""

import errno
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from infraops_core.errors import UserError
from infraops_core.servers.docker import endpoint as endpoints
from infraops_core.servers.docker.endpoint import Endpoint

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.errors import APIError

SECONDS = 30

_ANY_VERSION = "1.24"  # of the API: the question for the engine's version has none in its address
_START = "start it (systemctl start docker, or Docker Desktop), or name another engine with DOCKER_HOST or docker context use"


@contextmanager
def connected() -> Iterator["DockerClient"]:
    """A client of the engine that this environment names; each of its answers is waited for 30 s.

    What the engine refuses or fails at inside the block leaves it as a `UserError`.

    :raises UserError: where there is no engine, or this account may not use it, or it does not answer.
    """
    from docker import DockerClient
    from docker.utils import kwargs_from_env

    endpoint = endpoints.find()
    _check_socket(endpoint)
    options: dict[str, Any] = dict(kwargs_from_env()) if endpoint.named_by == "DOCKER_HOST" else {}
    options |= {"base_url": endpoint.url, "timeout": SECONDS}
    with failures_told(endpoint):
        # The SDK can ask for the version by itself, and leaves its connection open when that fails.
        with closing(DockerClient(**options, version=_ANY_VERSION)) as asking:
            version = asking.version(api_version=False)["ApiVersion"]
        with closing(DockerClient(**options, version=version)) as client:
            yield client


@contextmanager
def failures_told(endpoint: Endpoint) -> Iterator[None]:
    """Tell what the engine refuses, and an engine that stops answering, as a user's error."""
    import requests
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        raise refused(explanation(error), endpoint.url) from None
    except requests.exceptions.RequestException as error:
        slow = "timed out" in str(error).lower()  # in the middle of an answer it is no Timeout of theirs
        raise _silent(endpoint, f"it gave no answer within {SECONDS} s" if slow else f"it broke off: {_root(error)}") from None
    except DockerException as error:
        raise refused(str(error), endpoint.url) from None


def explanation(error: "APIError") -> str:
    """What the engine said, in one line."""
    return " ".join(str(error.explanation or error).split())


def refused(said: str, where: str) -> UserError:
    """The error for something the engine would not or could not do."""
    if "no space left on device" in said.lower():
        return UserError(
            f"the disk of the Docker engine is full: {said}",
            where=where,
            next="free some space (docker system df shows what takes it), then run it again",
        )
    if "exec format error" in said.lower():
        return UserError(
            f"the image is made for another platform than the engine's: {said}", where=where, next="name an image that is made for it"
        )
    return UserError(f"the Docker engine refused: {said}", where=where, next="mend what it says, then run it again")


def identity(client: "DockerClient") -> str:
    """The engine's own id, which outlives its address and its version."""
    return str(client.info()["ID"])


def _check_socket(endpoint: Endpoint) -> None:
    """Find out at once what the SDK would tell as a failure to learn the API's version."""
    if endpoint.socket is None:
        return
    where = f"{endpoint.url}, by {endpoint.named_by}"
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(SECONDS)
            probe.connect(str(endpoint.socket))
    except PermissionError:
        raise UserError(
            "this account may not use the Docker engine: permission denied on its socket",
            where=where,
            next="sudo usermod -aG docker $USER, then log in anew; or use a rootless engine",
        ) from None
    except OSError as error:
        reason = {errno.ENOENT: "there is no such socket", errno.ECONNREFUSED: "nobody listens on it"}.get(error.errno or 0)
        raise UserError(f"no Docker engine runs: {reason or error.strerror or error}", where=where, next=_START) from None


def _root(error: BaseException) -> str:
    """What an error began with, for requests shows it inside of two others."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _silent(endpoint: Endpoint, said: str) -> UserError:
    return UserError(
        f"the Docker engine does not answer: {said}",
        where=f"{endpoint.url}, by {endpoint.named_by}",
        next="restart it (systemctl restart docker, or Docker Desktop), then run it again",
    )
