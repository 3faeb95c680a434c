"""Have an engine: find it or make it, and add what it lacks for Python."""

import fcntl
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from infraops_cli.engine import ways
from infraops_cli.engine.cli import DYNAMIC_PROVIDER, FOLDER, HELPERS, LANGUAGE_HOST, OLDEST, Cli
from infraops_core import checkout
from infraops_core.errors import UserError

_PROGRAMS = {LANGUAGE_HOST: "language_host.py", DYNAMIC_PROVIDER: "dynamic_provider.py"}


@dataclass(frozen=True)
class Engine:
    """A CLI that can run this project, and the folders that go before PATH for it."""

    cli: Cli
    way: str
    folders: tuple[Path, ...]


def ready(say: ways.Say) -> Engine:
    """The engine, made if need be.

    :raises UserError: saying of each of the three ways why it failed.
    """
    reasons: list[str] = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting   for another set-up of this checkout's engine")
            fcntl.flock(lock, fcntl.LOCK_EX)  # as long as that one's build may take, which is bounded
        for way, name in ((ways.from_path, "PATH"), (ways.from_go, "built with Go"), (ways.from_installer, "Pulumi's installer")):
            try:
                cli = way(say)
            except ways.Failed as failure:
                reasons.append(f"  {name}: {failure}")
                continue
            return Engine(cli, name, _folders(cli, add=way is not ways.from_installer))
    raise UserError(
        "\n".join(["there is no Pulumi engine, and none could be made:", *reasons]),
        where=str(FOLDER),
        next=f"install the Pulumi CLI {OLDEST} or newer, or Go, or allow the installer's download; then: make setup",
    )


def _folders(cli: Cli, *, add: bool) -> tuple[Path, ...]:
    """Where the CLI and its helpers are; helpers it lacks are ours, run by this Python."""
    lacking = cli.lacks() if add else []
    HELPERS.mkdir(exist_ok=True)
    for name, program in _PROGRAMS.items():
        launcher = HELPERS / name
        if name not in lacking:
            launcher.unlink(missing_ok=True)
            continue
        text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -u {shlex.quote(str(checkout.ROOT / "tools" / program))} "$@"\n'
        if not launcher.exists() or launcher.read_text() != text:
            launcher.write_text(text)
            launcher.chmod(0o755)
    return (cli.path.parent, *([HELPERS] if lacking else []))
