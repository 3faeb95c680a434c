"""How long an `up` takes that has nothing to do, against the least that any Pulumi program of this kind can take.

Three programs on the same engine in the same run, taken in turn: the `local` stack; a program with one dynamic
resource that does nothing; an empty program. Prints medians with their spread, and the ratio that is the goal:
the second `up` of `local` within 1.3 of the one with the no-op resource. Run: .venv/bin/python -m benchmarks.up
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from infraops_cli.engine import environment, setup
from infraops_core import checkout

_ROUNDS = 11
_GOAL = 1.3
_PROJECT = "name: {name}\nruntime: python\nmain: {main}\n"
_NO_OP = """
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class Nothing(ResourceProvider):
    def create(self, props):
        return CreateResult("nothing", props)


class Thing(Resource, name="Thing"):
    pass


Thing(Nothing(), "nothing", {})
"""


@dataclass(frozen=True)
class Program:
    """A program to time: its folder, its stack, and the settings file it is given."""

    label: str
    folder: Path
    stack: str
    config_file: Path

    def up(self) -> float:
        """Seconds of one `pulumi up`, preview included, as a user types it."""
        started = time.perf_counter()
        command = ["pulumi", "up", "--yes", "--non-interactive", "--stack", self.stack, "--config-file", str(self.config_file)]
        ran = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300, check=False)
        if ran.returncode != 0:
            sys.exit(f"{self.label}: {ran.stdout}{ran.stderr}")
        return time.perf_counter() - started


def main() -> None:
    scratch = Path(tempfile.mkdtemp(prefix="infraops-benchmark-"))
    scratch.chmod(0o755)
    os.environ["INFRAOPS_STATE"] = str(scratch / "state")
    os.environ.update(environment.variables(setup.ready(print)))
    local = _local(scratch)
    try:
        programs = [local, _program(scratch, "no-op", _NO_OP), _program(scratch, "empty", "")]
        first = {program.label: program.up() for program in programs}
        times: dict[str, list[float]] = {program.label: [] for program in programs}
        for _ in range(_ROUNDS):
            for program in programs:
                times[program.label].append(program.up())
        _report(first, times)
    finally:
        subprocess.run(["pulumi", "destroy", "--yes", "--non-interactive", "--stack", local.stack, "--config-file", str(local.config_file)],
                       cwd=local.folder, capture_output=True, timeout=300, check=True)  # fmt: skip
        shutil.rmtree(scratch)


def _local(scratch: Path) -> Program:
    copies = scratch / "local"
    copies.mkdir()
    for name in ("Pulumi.yaml", "Pulumi.local.yaml"):
        shutil.copy(checkout.ROOT / name, copies / name)
    _init(copies, "local")
    return Program("local", checkout.ROOT, "local", copies / "Pulumi.local.yaml")


def _program(scratch: Path, label: str, source: str) -> Program:
    folder = scratch / label
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(_PROJECT.format(name=label, main="."))
    (folder / "__main__.py").write_text(source)
    (folder / "Pulumi.bench.yaml").write_text("{}\n")
    _init(folder, "bench")
    return Program(label, folder, "bench", folder / "Pulumi.bench.yaml")


def _init(folder: Path, stack: str) -> None:
    subprocess.run(
        ["pulumi", "stack", "init", stack, "--non-interactive", "--no-select"], cwd=folder, capture_output=True, timeout=60, check=True
    )


def _report(first: dict[str, float], times: dict[str, list[float]]) -> None:
    print(f"{'program':<8} {'first up':>9} {'second up: min':>15} {'median':>7} {'max':>7}   ({_ROUNDS} rounds, in turn)")
    for label, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{label:<8} {first[label]:>7.2f} s {min(seconds):>13.2f} s {median:>5.2f} s {max(seconds):>5.2f} s")
    ratios = [ours / theirs for ours, theirs in zip(times["local"], times["no-op"], strict=True)]
    ratio = statistics.median(ratios)
    reached = "reached" if ratio <= _GOAL else "missed"
    print(f"local / no-op: {ratio:.2f} (median of pairs, {min(ratios):.2f} to {max(ratios):.2f}); goal {_GOAL}: {reached}")


if __name__ == "__main__":
    main()
