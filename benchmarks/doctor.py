"""How long `infraops doctor local` takes against a healthy server, beside the one call of Pulumi's that it can't do without.

In turn, in one run: the doctor, and `pulumi stack export --show-secrets`. Prints medians with their spread, their ratio, and
whether the doctor stayed within 3 s. Run: .venv/bin/python -m benchmarks.doctor
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from infraops_cli.engine import environment, setup
from infraops_core import checkout

_ROUNDS = 11
_GOAL_SECONDS = 3.0
_INFRAOPS = str(Path(sys.executable).with_name("infraops"))


def main() -> None:
    scratch = Path(tempfile.mkdtemp(prefix="infraops-benchmark-"))
    scratch.chmod(0o755)
    os.environ["INFRAOPS_STATE"] = str(scratch / "state")
    os.environ.update(environment.variables(setup.ready(print)))
    try:
        _timed([_INFRAOPS, "up", "local"])
        commands: dict[str, Callable[[], float]] = {
            "doctor": lambda: _timed([_INFRAOPS, "doctor", "local"]),
            "export": lambda: _timed(["pulumi", "stack", "export", "--show-secrets", "--stack", "local"]),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(_ROUNDS):
            for name, run in commands.items():
                times[name].append(run())
        _report(times)
    finally:
        _timed([_INFRAOPS, "down", "local", "--yes"])
        shutil.rmtree(scratch)


def _timed(command: list[str]) -> float:
    """Seconds of a command as it is typed."""
    started = time.perf_counter()
    ran = subprocess.run(command, cwd=checkout.ROOT, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(command)}: {ran.stderr}")
    return time.perf_counter() - started


def _report(times: dict[str, list[float]]) -> None:
    print(f"{'command':<8} {'min':>7} {'median':>7} {'max':>7}   ({_ROUNDS} rounds, in turn)")
    for name, seconds in times.items():
        print(f"{name:<8} {min(seconds):>5.2f} s {statistics.median(seconds):>5.2f} s {max(seconds):>5.2f} s")
    ratio = statistics.median(ours / theirs for ours, theirs in zip(times["doctor"], times["export"], strict=True))
    reached = "reached" if max(times["doctor"]) <= _GOAL_SECONDS else "missed"
    print(f"doctor / export: {ratio:.2f} (median of pairs); goal {_GOAL_SECONDS:.0f} s: {reached}")


if __name__ == "__main__":
    main()
