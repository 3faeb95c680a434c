"""Fixtures of the end-to-end tests: a copy of this project with a state of its own, run by the real engine."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from infraops_cli.engine import cli
from infraops_core import checkout
from infraops_core.servers.embedded.folder import ServerFolder

_SECONDS = 240
_ENGINE_ENVIRONMENT = ("PULUMI_", "INFRAOPS_")


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Project:
    """A copy of the checkout."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / ".infraops"

    @property
    def environment(self) -> dict[str, str]:
        """Ours without what a developer's shell may have set for the engine, and with the copy's packages first."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_ENGINE_ENVIRONMENT)}
        foreign = [entry for entry in kept["PATH"].split(os.pathsep) if not Path(entry).is_relative_to(cli.FOLDER)]
        if another := os.environ.get("TEST_PULUMI"):  # the bin folder of another CLI, to see whether all of this holds with it
            foreign.insert(0, another)
        return kept | {"PYTHONPATH": str(self.root), "PATH": os.pathsep.join(foreign), "NO_COLOR": "1"}

    def infraops(self, *arguments: str, **extra: str) -> Ran:
        """Run the `infraops` command."""
        return self.run([str(Path(sys.executable).with_name("infraops")), *arguments], self.environment | extra)

    def engine_environment(self, **extra: str) -> dict[str, str]:
        """What `eval "$(infraops engine env)"` gives."""
        told = self.infraops("engine", "env", **extra)
        assert told.code == 0, told.text
        shell = ["sh", "-c", f"{told.out}\nexec env -0"]
        pairs = subprocess.run(shell, env=self.environment | extra, capture_output=True, text=True, check=True).stdout
        return dict(pair.split("=", 1) for pair in pairs.split("\0") if pair)

    def pulumi(self, *arguments: str, **extra: str) -> Ran:
        """Run `pulumi` as it would be typed by hand."""
        return self.run(["pulumi", "--non-interactive", *arguments], self.engine_environment(**extra))

    def run(self, command: list[str], environment: dict[str, str]) -> Ran:
        ran = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=_SECONDS,
                             check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the `infraops` command in a process group of its own, as a terminal does."""
        command = [str(Path(sys.executable).with_name("infraops")), *arguments]
        return subprocess.Popen(command, cwd=self.root, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, start_new_session=True, stdin=subprocess.DEVNULL)  # fmt: skip

    def configure(self, stack: str = "local", **settings: object) -> None:
        """Write a stack's file, of target `local` unless said otherwise."""
        config = {"target": "local"} | settings
        text = yaml.safe_dump({"config": {f"infraops:{key}": value for key, value in config.items() if value is not None}})
        (self.root / f"Pulumi.{stack}.yaml").write_text(text)

    def as_committed(self, name: str) -> None:
        """Bring one file back to what the copy began with."""
        subprocess.run(["git", "checkout", "--quiet", name], cwd=self.root, check=True)

    def server(self, stack: str = "local") -> ServerFolder:
        return ServerFolder(self.state / "servers" / stack)

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this copy: by its arguments, its folder, or its environment."""
        return [process for process in psutil.process_iter() if _belongs(process, str(self.root))]


@pytest.fixture
def project() -> Iterator[Project]:
    """A copy of the files git knows or would add, with the engine of this checkout."""
    with copied() as made:
        yield made


@pytest.fixture
def up(project: Project) -> Project:
    """A copy whose local stack is up, for a test that may break it."""
    ran = project.infraops("up", "local")
    assert ran.code == 0, ran.text
    return project


@pytest.fixture(scope="session")
def standing() -> Iterator[Project]:
    """A copy whose local stack is up, for tests that leave it up and as they found it."""
    with copied() as made:
        ran = made.infraops("up", "local")
        assert ran.code == 0, ran.text
        yield made


@contextmanager
def copied() -> Iterator[Project]:
    """A copy of its own, its processes ended and its files removed after the block."""
    root = Path(tempfile.mkdtemp(prefix="infraops-e2e-"))
    root.chmod(0o755)
    _copy(root)
    made = Project(root)
    yield made
    for process in made.processes():
        process.kill()
    psutil.wait_procs(made.processes(), timeout=10)
    shutil.rmtree(root)


@contextmanager
def rehomed(project: Project) -> Iterator[Project]:
    """The same copy under another path, for as long as the block lasts."""
    moved = Project(project.root.with_name(f"{project.root.name}-moved"))
    project.root.rename(moved.root)
    try:
        yield moved
    finally:
        moved.root.rename(project.root)


def _copy(root: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=checkout.ROOT,
                            capture_output=True, text=True, check=True).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        source = checkout.ROOT / name
        if source.exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, root / name)
    built = cli.FOLDER / "bin" / "pulumi"
    if built.exists():
        (root / ".infraops" / "engine" / "bin").mkdir(parents=True)
        (root / ".infraops" / "engine" / "bin" / "pulumi").symlink_to(built)
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "copy"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)


def _belongs(process: psutil.Process, root: str) -> bool:
    try:
        return root in " ".join(process.cmdline()) or process.cwd().startswith(root) or process.environ().get("PYTHONPATH") == root
    except (psutil.Error, OSError):
        return False
