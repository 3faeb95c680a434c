"""A copy of a stack's file for the engine to write into.

`pulumi` adds `encryptionsalt` to the file it is given. Our runs give it a copy in the state folder, so the tracked
file stays as it is even when a run is killed. A salt in the tracked file (a team's choice) is copied and counts.
"""

import re
import shutil
from pathlib import Path

_SALT = re.compile(r"^encryptionsalt:.*$", re.MULTILINE)


def refresh(project: Path, copies: Path, stack: str) -> Path:
    """Bring the copy in `copies` to what the tracked file in `project` says, and return its path."""
    copies.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(project / "Pulumi.yaml", copies / "Pulumi.yaml")
    tracked = (project / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    copy = copies / f"Pulumi.{stack}.yaml"
    salt = None if _SALT.search(tracked) or not copy.exists() else _SALT.search(copy.read_text(encoding="utf-8"))
    copy.write_text(f"{tracked.rstrip()}\n{salt.group()}\n" if salt else tracked, encoding="utf-8")
    return copy
