"""Make the data in an empty volume, complete or not at all, by the image's own entrypoint.

A container of its own does it and ends. It alone is given the password, by file: the container that stays has neither
the file nor the variable, while the official entrypoint would leave the password in the environment of the server that
it has initialised. It needs nobody to wait for it: what a run that was killed has begun, it brings to its end.
"""

import io
import tarfile
from typing import TYPE_CHECKING

from infraops_core.errors import UserError
from infraops_core.roles import ADMIN
from infraops_core.servers import complaint
from infraops_core.servers.docker import engine, volumes
from infraops_core.servers.docker.containers import Limits, find, log_config
from infraops_core.servers.docker.endings import log_lines
from infraops_core.servers.docker.images import Image
from infraops_core.servers.docker.ownership import Owner

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_SECONDS = 180
_PASSWORD_FILE = "/infraops-admin"  # noqa: S105  # a path
_ENTRYPOINT = ("docker-entrypoint.sh",)
_SETTINGS = {
    "listen_addresses": "'*'",  # of the container; the engine publishes it on loopback
    "password_encryption": "scram-sha-256",
    "wal_level": "logical",
    "max_prepared_transactions": "10",
}
_NOT_EMPTY = 3
_SET_ASIDE = "infraops: set aside "
# While the entrypoint sets things up its server answers on a socket only. One that answers on TCP is complete.
_SCRIPT = f"""
set -eu
cd "$1"
shift
if [ -e {volumes.DATA} ]; then rmdir {volumes.DATA} || exit {_NOT_EMPTY}; fi
if [ -e {volumes.DATA}.new ]; then
    aside="unfinished-$(date +%Y%m%dT%H%M%S)"
    mv {volumes.DATA}.new "$aside"
    echo "{_SET_ASIDE}$aside"
fi
PGDATA="$PWD/{volumes.DATA}.new" "$@" postgres &
server=$!
until pg_isready --quiet --host 127.0.0.1 --port 5432; do
    kill -0 $server 2>/dev/null || {{ wait $server; exit 1; }}
    sleep 0.1
done
kill -INT $server
wait $server
mv {volumes.DATA}.new {volumes.DATA}
sync
"""


def initialise(client: "DockerClient", volume: str, image: Image, owner: Owner, *, limits: Limits, password: str) -> None:
    """Fill the volume with a new cluster whose only role is `infraops_admin`, who logs in by SCRAM.

    :raises UserError: when it fails, with its complaint, or does not end within 180 s.
    """
    from docker.types import Mount

    print(f"Initialising  Postgres {image.major} in the volume {volume}")
    sets = " ".join(f"--set {name}={value}" for name, value in _SETTINGS.items())
    container = client.containers.create(
        image.name,
        name=name(volume),
        labels=owner.labels,
        entrypoint=["sh", "-c", _SCRIPT, "sh", image.mount, *(image.entrypoint or _ENTRYPOINT)],
        environment={
            "POSTGRES_USER": ADMIN,
            "POSTGRES_DB": "postgres",
            "POSTGRES_PASSWORD_FILE": _PASSWORD_FILE,
            "POSTGRES_HOST_AUTH_METHOD": "scram-sha-256",
            "POSTGRES_INITDB_ARGS": f"--auth=scram-sha-256 --encoding=UTF8 --no-locale --data-checksums {sets}",
        },
        mounts=[Mount(image.mount, volume)],
        network_disabled=True,
        log_config=log_config(),
        **limits.options(),
    )
    container.put_archive("/", _password_file(password, image))
    container.start()
    _finish(container, volume)


def name(volume: str) -> str:
    """The name of the container that initialises."""
    return f"{volume}-initialising"


def finish(client: "DockerClient", volume: str, owner: Owner) -> None:
    """Wait for the end of an initialisation that is under way, if one is, and remove its container.

    :raises UserError: when it fails, with its complaint, or does not end within 180 s.
    """
    container = find(client, name(volume), owner)
    if container is None:
        return
    if container.status == "running":
        _finish(container, volume)
    else:
        container.remove(force=True, v=True)


def _finish(container: "Container", volume: str) -> None:
    code, lines = _ended(container, volume), log_lines(container)
    for line in lines:
        if line.startswith(_SET_ASIDE):
            print(f"Set aside {line.removeprefix(_SET_ASIDE)}: an initialisation that never ended")
    out_of_memory = bool(container.attrs["State"].get("OOMKilled"))
    container.remove(force=True, v=True)
    if code != 0:
        raise _failed(code, lines, volume, out_of_memory=out_of_memory)


def _ended(container: "Container", volume: str) -> int:
    from requests.exceptions import RequestException

    try:
        code = int(container.wait(timeout=_SECONDS)["StatusCode"])
        container.reload()
    except RequestException:
        container.remove(force=True, v=True)
        raise UserError(
            f"the initialisation did not end within {_SECONDS} s",
            where=f"volume {volume}",
            next="see whether the engine's disk answers, then run it again",
        ) from None
    return code


def _failed(code: int, lines: list[str], volume: str, *, out_of_memory: bool) -> UserError:
    if code == _NOT_EMPTY:
        return volumes.broken(volume)
    said = complaint.reason(lines)
    if "No space left on device" in "\n".join(lines):
        return engine.refused(said, f"volume {volume}")
    if out_of_memory:
        return UserError(f"the initialisation ran out of memory: {said}", where=f"volume {volume}", next="raise infraops:memory")
    return UserError(f"the initialisation failed: {said}", where=f"volume {volume}", next="mend what it says, then run it again")


def _password_file(password: str, image: Image) -> bytes:
    """A tar with the file, for the account that the entrypoint reads it as: root, unless the image says another."""
    content = io.BytesIO()
    entry = tarfile.TarInfo(_PASSWORD_FILE.lstrip("/"))
    line = f"{password}\n".encode()
    entry.size = len(line)
    entry.mode = 0o400 if image.user in ("", "0", "root") else 0o444
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(line))
    return content.getvalue()
