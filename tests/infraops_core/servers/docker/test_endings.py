"""Why a container has ended, from what it left."""

import secrets

import pytest
from docker import DockerClient

from infraops_core.servers.docker import endings
from tests.fix_docker import Engine


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("echo '[1] LOG:  starting'; echo '[1] FATAL:  no such thing'; echo '[1] LOG:  shut down'; exit 1",
         "the server ends as soon as it starts: FATAL:  no such thing"),
        ("exit 7", "the server ends as soon as it starts: it ended with code 7"),
        ("echo '[1] PANIC:  could not write: No space left on device'; exit 1",
         "the disk of the Docker engine is full: PANIC:  could not write: No space left on device"),
        ("echo 'exec /bin/x: exec format error'; exit 1",
         "the image is made for another platform than the engine's: exec /bin/x: exec format error"),
        ("x=12345678; while :; do x=$x$x; done", "the server was ended for want of memory (limit 64 MiB): it ended with code 137"),
    ],
)  # fmt: skip
def test_an_ending_is_told_by_what_it_left(docker_engine: Engine, docker_client: DockerClient, script: str, what: str) -> None:
    container = docker_client.containers.run(
        f"{docker_engine.repository}:17", [script], entrypoint=["bash", "-c"], detach=True, mem_limit=64 * 2**20,
        memswap_limit=64 * 2**20, network_disabled=True, name=f"infraops-ending-{secrets.token_hex(4)}",
    )  # fmt: skip
    container.wait(timeout=60)
    container.reload()
    told = endings.ended(container)
    container.remove(v=True)
    assert told.what == what
    assert told.next
