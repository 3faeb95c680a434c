"""Runners in processes of their own, several at once, and ended by kill -9 at a chosen call; each a fork of one that has all loaded.

`with runners() as run:` and `run(access, folder)` gives what became of each.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infraops_core.access import Access

_PARENT = """
import contextlib, io, json, os, signal, sys, time
from pathlib import Path
import psycopg
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import files, over_psycopg, runner

def kill_at(calls):
    passed = 0
    run = over_psycopg.PsycopgTransport.run
    def counted(self, sql, parameters=(), **more):
        nonlocal passed
        passed += 2
        if passed - 1 == calls:
            os.kill(os.getpid(), signal.SIGKILL)
        if passed == calls:
            connection = self._connection.pgconn
            if parameters:
                connection.send_query_params(sql.encode(), [str(value).encode() for value in parameters])
            else:
                connection.send_query(sql.encode())
            connection.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return run(self, sql, parameters, **more)
    over_psycopg.PsycopgTransport.run = counted

def work(asked):
    access = Access.from_inputs({"url": asked["url"], "tls": "disable"})
    migrations = files.read(Path(asked["folder"]))
    kill_at(asked["kill_at"])
    done, error = [], ""
    said = io.StringIO()
    while time.time() < asked["at"]:
        time.sleep(0.001)
    with contextlib.redirect_stdout(said):
        try:
            for applied in runner.apply(access, migrations, resume=asked["resume"]):
                done.append(applied.migration.version)
        except UserError as refused:
            error = str(refused)
    return {"applied": done, "error": error, "said": said.getvalue().splitlines()}

for line in sys.stdin:
    asked = json.loads(line)
    asked["at"] = time.time() + 0.1 if asked["count"] > 1 else 0
    begun = []
    for _ in range(asked["count"]):
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writes, json.dumps(work(asked)).encode())
            os._exit(0)
        os.close(writes)
        begun.append((child, reads))
    results = []
    for child, reads in begun:
        with os.fdopen(reads, "rb") as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        results.append(json.loads(text) if text else None)
    print(json.dumps(results), flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """What one runner applied, what it was refused with, and the lines it printed."""

    applied: list[str]
    error: str
    said: list[str]


Run = Callable[..., list[Outcome | None]]


@contextmanager
def runners() -> Iterator[Run]:
    """A function that runs `count` runners at once, and returns what became of each: None for one that was killed.

    `kill_at` counts the calls of the transport twice: odd before it is sent, even before it is answered.
    """
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:

        def run(access: Access, folder: Path, *, count: int = 1, kill_at: int = 0, resume: bool = False) -> list[Outcome | None]:
            assert parent.stdin is not None
            assert parent.stdout is not None
            asked = {"url": access.url.with_password(), "folder": str(folder), "count": count, "kill_at": kill_at, "resume": resume}
            parent.stdin.write(json.dumps(asked) + "\n")
            parent.stdin.flush()
            return [None if told is None else Outcome(**told) for told in json.loads(parent.stdout.readline())]

        try:
            yield run
        finally:
            parent.kill()
