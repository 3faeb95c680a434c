"""Which PgBouncer is installed here; the one the configuration is for may be elsewhere."""

import re
import shutil
import subprocess
from contextlib import suppress

_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
_SECONDS = 5

Version = tuple[int, int]


def program() -> str | None:
    """The path of the PgBouncer on this machine; a user's PATH often lacks the folder it is in."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path=_FOLDERS)


def installed() -> Version | None:
    """The version of the one on this machine, if there is one."""
    path = program()
    if path is None:
        return None
    with suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False).stdout
        if found := re.search(r"(?i)pgbouncer (\d+)\.(\d+)", said):
            return int(found[1]), int(found[2])
    return None


def written(version: Version) -> str:
    """`1.21`."""
    return f"{version[0]}.{version[1]}"
