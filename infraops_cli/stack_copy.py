"""A copy of a stack's file for the engine to write into.

`pulumi` adds `encryptionsalt` to the file it is given. Our runs give it a copy in the state folder, made anew each
time, so the tracked file stays as it is even when a run is killed. The salt need not be kept: the state has its own.
One in the tracked file (a team's choice) is copied and counts.
"""

import os
from pathlib import Path


def refresh(project: Path, copies: Path, stack: str) -> Path:
    """Bring the copy in `copies` to what the tracked file in `project` says, and return its path.

    A stack whose file is gone gets an empty copy, with which it can still be destroyed.
    """
    copies.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(copies / "Pulumi.yaml", (project / "Pulumi.yaml").read_bytes())
    tracked, copy = project / f"Pulumi.{stack}.yaml", copies / f"Pulumi.{stack}.yaml"
    _write(copy, tracked.read_bytes() if tracked.exists() else b"{}\n")
    return copy


def _write(path: Path, content: bytes) -> None:
    """All at once, for another run may be reading it."""
    mine = path.with_name(f"{path.name}.{os.getpid()}")
    mine.write_bytes(content)
    mine.replace(path)
