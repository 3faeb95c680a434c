"""Postgres' programs where the account that runs the server can reach them."""

import shutil
from pathlib import Path

from infraops_core.errors import UserError
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.binaries import Binaries
from infraops_core.servers.embedded.folder import ServerFolder


def reachable(binaries: Binaries, folder: ServerFolder, account: Account) -> Binaries:
    """The programs themselves, or a copy in `folder` where the account cannot reach them.

    :raises UserError: for a system's programs that it cannot reach, which no copy of one folder would hold whole.
    """
    if account.can_execute(Path(binaries["postgres"])):
        return binaries
    if not binaries.self_contained:
        raise UserError(
            f"the account {account.name}, which runs the server, cannot run these programs",
            where=str(binaries.folder),
            next="install them where every account can, for example below /opt; then: pulumi config set infraops:postgresBin FOLDER",
        )
    copy = folder.programs(binaries)
    if not copy.exists():
        print(f"Copying  Postgres {binaries.version} to {copy}, where {account.name} can run it")
        _copy(binaries.installation, copy)
    return Binaries(copy / binaries.folder.name, binaries.version, self_contained=True)


def _copy(source: Path, copy: Path) -> None:
    """Copy a folder, complete or not at all, for every account to read."""
    unfinished = copy.with_name(copy.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        shutil.copytree(source, unfinished, symlinks=True)
    except shutil.Error as error:  # a list of (from, to, why)
        shutil.rmtree(unfinished, ignore_errors=True)
        *_, why = error.args[0][0]
        raise UserError(f"the programs cannot be copied: {why}", where=str(copy), next="mend that, then run it again") from None
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            _open_to_all(path)
    unfinished.rename(copy)


def _open_to_all(path: Path) -> None:
    """Let everyone read, and run, what its owner can: under a strict umask the originals are the owner's alone."""
    mode = path.stat().st_mode
    path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
