"""How long migrations take: a hundred small ones, and none, by `infraops migrate up` and by `dbmate up` on the same server.

A hundred: an empty database each time, the programs in turn; the goal is no slower than dbmate. Told twice: for the whole
process, and for what it takes above a run that has nothing to do, which is the work without the start of Python and its
packages. None: the same commands again, and beside them a Python process that imports typer, rich and psycopg and runs one
query, the least that such a command takes; the goal is at most 100 ms above it. The server does not wait for its disk, so
that the programs are compared. Prints medians with their spread. Run: .venv/bin/python -m benchmarks.migrations
"""

import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from infraops_core import checkout, roles
from infraops_core.access import Access
from infraops_core.servers import scratch
from infraops_core.servers.embedded import binaries
from infraops_core.servers.scratch import Scratch

_FILES = 100
_ROUNDS = 9
_NO_OP_ROUNDS = 25
_NO_OP_GOAL = 0.1
_PROGRAMS = Path(sys.executable).parent
_MIGRATION = """-- migrate:up
create table items_{n} (id bigint primary key, text text not null, at timestamptz not null default now());
create index items_{n}_at on items_{n} (at);

-- migrate:down
drop table items_{n};
"""
_ONE_QUERY = """
import os, typer, rich, psycopg
with psycopg.connect(os.environ["DIRECT_DATABASE_URL"]) as connection:
    connection.execute("select 1").fetchone()
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="infraops-benchmark-") as folder, scratch.server(binaries.find([17], None)) as server:
        bench = Bench(server, server.owner(), _project(Path(folder)))
        many, none = bench.many(), bench.none()
    _table(f"{_FILES} migrations", many)
    _table("nothing to do", none)
    start = {name: statistics.median(seconds) for name, seconds in none.items()}
    work = {name: [one - start[name] for one in seconds] for name, seconds in many.items()}
    _verdict(f"{_FILES} migrations, infraops / dbmate", _pairs(many, "dbmate", lambda ours, theirs: ours / theirs), 1.0)
    _verdict("  the same above nothing to do", _pairs(work, "dbmate", lambda ours, theirs: ours / theirs), 1.0)
    _verdict("nothing to do, s above one query", _pairs(none, "one query", lambda ours, theirs: ours - theirs), _NO_OP_GOAL)


class Bench:
    """The programs to time, on one server."""

    def __init__(self, server: Scratch, owner: Access, project: Path) -> None:
        self._server = server
        self._owner = owner
        self._project = project
        folder = str(project / "audit-schema" / "migrations")
        self._commands = {
            "infraops": [str(_PROGRAMS / "infraops"), "migrate", "up"],
            "dbmate": [str(_PROGRAMS / "dbmate"), "--migrations-dir", folder, "--no-dump-schema", "up"],
            "one query": [sys.executable, "-c", _ONE_QUERY],
        }

    def many(self) -> dict[str, list[float]]:
        """Seconds of each round, by program."""
        return _in_turn({name: partial(self._on_an_empty_one, name) for name in ("infraops", "dbmate")}, _ROUNDS)

    def none(self) -> dict[str, list[float]]:
        """Seconds of each round, by program, on databases that have all."""
        databases = {name: self._database() for name in self._commands}
        for name in ("infraops", "dbmate"):
            self._time(name, databases[name])
        return _in_turn({name: partial(self._time, name, databases[name]) for name in self._commands}, _NO_OP_ROUNDS)

    def _on_an_empty_one(self, program: str) -> float:
        return self._time(program, self._database())

    def _database(self) -> Access:
        name = f"bench_{secrets.token_hex(6)}"
        with self._server.admin.connect(seconds=60) as connection:
            connection.execute(f'create database "{name}" owner "{roles.OWNER}"'.encode())
        return self._server.access(self._owner.url.user, self._owner.url.password, name)

    def _time(self, program: str, access: Access) -> float:
        url = access.url.with_password()
        own = {"PYTHONPATH": str(self._project), "DIRECT_DATABASE_URL": url, "DATABASE_URL": url}
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # nobody works without it
        started = time.perf_counter()
        ran = subprocess.run(self._commands[program], cwd=self._project, env=inherited | own, capture_output=True, text=True,
                             timeout=300, check=False)  # fmt: skip
        seconds = time.perf_counter() - started
        if ran.returncode:
            sys.exit(f"{program}: {ran.stdout}{ran.stderr}")
        return seconds


def _project(folder: Path) -> Path:
    """The packages with a hundred migrations of their own beside them."""
    for package in ("infraops_core", "infraops_cli"):
        shutil.copytree(checkout.ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    migrations = folder / "audit-schema" / "migrations"
    migrations.mkdir(parents=True)
    for number in range(_FILES):
        (migrations / f"{20260101000000 + number}_items_{number}.sql").write_text(_MIGRATION.format(n=number))
    return folder


def _in_turn(programs: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, run in programs.items():
            times[name].append(run())
    return times


def _table(title: str, times: dict[str, list[float]]) -> None:
    rounds = len(times["infraops"])
    print(f"{title:<15} {'min':>7} {'median':>9} {'max':>9}   ({rounds} rounds, in turn)")
    for name, seconds in times.items():
        print(f"{name:<12} {min(seconds) * 1000:>7.0f} ms {statistics.median(seconds) * 1000:>6.0f} ms {max(seconds) * 1000:>6.0f} ms")


def _pairs(times: dict[str, list[float]], peer: str, compare: Callable[[float, float], float]) -> list[float]:
    return [compare(ours, theirs) for ours, theirs in zip(times["infraops"], times[peer], strict=True)]


def _verdict(title: str, values: list[float], goal: float) -> None:
    median = statistics.median(values)
    spread = f"median of pairs, {min(values):.2f} to {max(values):.2f}"
    print(f"{title}: {median:.2f} ({spread}); goal {goal:.2f}: {'reached' if median <= goal else 'missed'}")


if __name__ == "__main__":
    main()
