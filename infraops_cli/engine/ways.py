"""The three ways to an engine, each a function that returns a CLI or raises `Failed` with the reason."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from infraops_cli.engine.cli import FOLDER, OLDEST, PINNED, Cli, look_at, on_path
from infraops_core import checkout

Say = Callable[[str], None]

_TOOLS = checkout.ROOT / "tools"
_MODULE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_BUILD_SECONDS = 3600
_INSTALL_SECONDS = 900
_TELL_SECONDS = 15


class Failed(Exception):
    """Why one way did not lead to an engine."""


def from_path(_say: Say) -> Cli:
    """The machine's own, if it is new enough."""
    path = on_path()
    if path is None:
        raise Failed("no pulumi on PATH")
    cli = look_at(path)
    if cli is None:
        raise Failed(f"{path} does not tell its version")
    if cli.version < OLDEST:
        raise Failed(f"{path} is {cli.version}, and {OLDEST} is the oldest our tests have run with")
    return cli


def from_go(say: Say) -> Cli:
    """Build the pinned module; go.sum says what its source must be."""
    built = FOLDER / "bin" / "pulumi"
    have = look_at(built)
    if have is not None and have.version == PINNED:
        return have
    go = shutil.which("go")
    if go is None:
        raise Failed("no go on PATH")
    built.parent.mkdir(parents=True, exist_ok=True)
    unfinished = built.with_name(f"pulumi.{os.getpid()}")
    flags = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PINNED}"
    command = [go, "build", "-v", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", flags, "-o", str(unfinished), _MODULE]
    say(f"Building  the Pulumi CLI {PINNED} with {_go_version(go)}, once; some minutes")
    started = time.monotonic()
    try:
        _run_with_progress(command, say)
        unfinished.replace(built)
    finally:
        unfinished.unlink(missing_ok=True)
    cli = look_at(built)
    if cli is None:
        raise Failed("what was built does not run")
    say(f"Built     the Pulumi CLI {PINNED} in {time.monotonic() - started:.0f} s")
    return cli


def from_installer(say: Say) -> Cli:
    """Pulumi's own installer, through the SDK, which knows its options."""
    root = FOLDER / "official"
    have = look_at(root / "bin" / "pulumi")
    if have is not None and have.version == PINNED:
        return have
    say(f"Installing  the Pulumi CLI {PINNED} with Pulumi's installer")
    program = (
        "import sys, semver; from pulumi.automation import PulumiCommand; "
        "PulumiCommand.install(root=sys.argv[1], version=semver.VersionInfo.parse(sys.argv[2]))"
    )
    ran = _run([sys.executable, "-c", program, str(root), str(PINNED)], _INSTALL_SECONDS)
    cli = look_at(root / "bin" / "pulumi")
    if cli is None:
        raise Failed(_last_line(ran.stderr) or _last_line(ran.stdout) or "the installer left no pulumi")
    return cli


def _go_version(go: str) -> str:
    match = re.search(r"go\d[^\s]*", _run([go, "version"], 30).stdout)
    return match.group() if match else "go"


def _run(command: list[str], seconds: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{Path(command[0]).name} did not end within {seconds:.0f} s") from None


def _run_with_progress(command: list[str], say: Say) -> None:
    """Run the build and say every 15 s how far it is; `go build -v` prints a line a package, and none while it links."""
    started = time.monotonic()
    packages, last = 0, ""
    ended = threading.Event()
    with subprocess.Popen(command, cwd=_TOOLS, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as build:

        def watch() -> None:
            while not ended.wait(_TELL_SECONDS):
                say(f"Building  {packages} packages compiled in {time.monotonic() - started:.0f} s")
                if time.monotonic() - started > _BUILD_SECONDS:
                    build.kill()

        threading.Thread(target=watch, daemon=True).start()
        assert build.stderr is not None
        try:
            for line in build.stderr:
                last = line.strip() or last
                packages += not line.startswith("go: ")
        finally:
            ended.set()
        if build.wait() != 0:
            late = time.monotonic() - started > _BUILD_SECONDS
            raise Failed(f"the build did not end within {_BUILD_SECONDS} s" if late else f"go build: {last}")


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""
