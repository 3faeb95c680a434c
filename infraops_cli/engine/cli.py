"""A Pulumi CLI on disk: its version, and whether it can run Python programs as it is."""

import itertools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from semver import VersionInfo

from infraops_core import checkout

PINNED = VersionInfo.parse("3.250.0")
"""The version built or installed where there is none: the newest that the Go module proxy has."""

OLDEST = VersionInfo.parse("3.250.0")
"""The oldest that is used: our end-to-end tests pass with it. 3.230.0 goes on without secrets when the passphrase is wrong."""

FOLDER = checkout.OWN_FOLDER / "engine"
"""Where an engine of this checkout is kept."""

HELPERS = FOLDER / "helpers"
"""Where our launchers are for helpers that a CLI lacks."""

LANGUAGE_HOST = "pulumi-language-python"
DYNAMIC_PROVIDER = "pulumi-resource-pulumi-python"


@dataclass(frozen=True)
class Cli:
    """One `pulumi` executable."""

    path: Path
    version: VersionInfo

    def lacks(self) -> list[str]:
        """Which of the two helpers for Python are neither beside it nor on PATH."""
        beside = self.path.resolve().parent
        return [name for name in (LANGUAGE_HOST, DYNAMIC_PROVIDER) if not (beside / name).exists() and not _on_foreign_path(name)]


def on_path() -> Path | None:
    """The `pulumi` that the user's PATH leads to, this checkout's own left aside."""
    return _on_foreign_path("pulumi")


def look_at(path: Path) -> Cli | None:
    """The CLI at `path`, or `None` where there is none that tells its version."""
    environment = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        told = subprocess.run([path, "version"], capture_output=True, text=True, timeout=30, check=True, env=environment).stdout
        return Cli(path, VersionInfo.parse(re.sub(r"^v", "", told.strip())))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _on_foreign_path(name: str) -> Path | None:
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = shutil.which(name, path=os.pathsep.join(entry for entry in entries if entry and not _is_of_a_checkout(Path(entry))))
    return Path(found) if found else None


def _is_of_a_checkout(folder: Path) -> bool:
    """Whether a folder is in an engine that some checkout has made for itself, this one or another."""
    return folder.is_relative_to(FOLDER) or (checkout.OWN_FOLDER.name, FOLDER.name) in itertools.pairwise(folder.parts)
