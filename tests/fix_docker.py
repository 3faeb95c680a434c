"""Fixtures that run a real Docker engine: one for the whole run, with an image made on the spot.

An engine that answers already is used as it is, and gets no image under a name of others. Without one, `dockerd` is
started on a socket of its own, with its data in a temporary folder; the workers of one run share it, and the process that
began the run stops it, by its number.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from docker import DockerClient
from docker.errors import APIError, NotFound

from infraops_core import passwords
from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.errors import UserError
from infraops_core.roles import ADMIN
from infraops_core.servers.docker import endpoint, engine, place, server
from infraops_core.servers.docker.containers import Limits
from infraops_core.servers.docker.images import Asked
from infraops_core.servers.docker.ownership import Owner
from infraops_core.servers.loopback import LOOPBACK
from infraops_core.tls import Tls
from tests import postgres_image

_FOLDER = "INFRAOPS_TEST_DOCKER"
_SECONDS = 60
_OTHERS_SECONDS = 300
_UNPROVEN = "unproven without an engine: everything of the target docker that docs/docker.md says"


@dataclass(frozen=True)
class Engine:
    """An engine and the repository of the image made for it, with the tags 17, 17.10-b and 18."""

    url: str
    repository: str

    @property
    def is_ours(self) -> bool:
        """Whether it was started for this run, so that tests may do to it what they like."""
        return os.environ[_FOLDER] in self.url

    @contextlib.contextmanager
    def client(self) -> Iterator[DockerClient]:
        client = DockerClient(base_url=self.url, timeout=60)
        try:
            yield client
        finally:
            client.close()


@dataclass(frozen=True)
class Stack:
    """A stack of a name of its own, its volume there, its container not yet."""

    engine: Engine
    client: DockerClient
    wanted: server.Wanted
    engine_id: str

    @property
    def name(self) -> str:
        """The container's and the volume's."""
        return self.wanted.volume

    def ensure(self, **changes: object) -> server.Running:
        return server.ensure(replace(self.wanted, **changes))  # type: ignore[arg-type]

    def look(self, **changes: object) -> str:
        return server.look(replace(self.wanted, **changes))  # type: ignore[arg-type]

    def access(self, running: server.Running) -> Access:
        url = build(ADMIN, self.wanted.admin_password, host=LOOPBACK, port=running.port, database="postgres", sslmode=Tls.DISABLE)
        return Access(url, Tls.DISABLE)

    def keep_a_row(self, running: server.Running) -> None:
        """Write a row that `rows` reads."""
        with self.access(running).connect(seconds=30) as connection:
            connection.execute("create table kept as select 1 as n")

    def rows(self, running: server.Running) -> list[int]:
        with self.access(running).connect(seconds=30) as connection:
            return [row[0] for row in connection.execute("select n from kept").fetchall()]


def pytest_configure(config: pytest.Config) -> None:
    """Name the folder of the run's engine once, for the workers too."""
    if not hasattr(config, "workerinput"):
        memory = Path("/dev/shm")  # initialising mostly waits for the disk
        fits = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 * 2**30
        folder = tempfile.mkdtemp(prefix="infraops-docker-", dir=memory if fits else None)
        os.environ[_FOLDER] = folder
        (Path(folder) / "run").write_text(str(os.getpid()))


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or _FOLDER not in os.environ:
        return
    _stop(Path(os.environ.pop(_FOLDER)))


@pytest.fixture(scope="session")
def _engine() -> Engine:
    folder = Path(os.environ[_FOLDER])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go with the file
        noted = folder / "engine.json"
        if not noted.exists():
            noted.write_text(json.dumps(_made(folder)))
    url, repository, unproven = json.loads(noted.read_text())
    if unproven:
        pytest.skip(f"{unproven}; {_UNPROVEN}")
    return Engine(url, repository)


@pytest.fixture
def docker_engine(_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine, named by DOCKER_HOST."""
    monkeypatch.setenv("DOCKER_HOST", _engine.url)
    return _engine


@pytest.fixture
def docker_client(docker_engine: Engine) -> Iterator[DockerClient]:
    with docker_engine.client() as client:
        yield client


@pytest.fixture
def new_stack(docker_engine: Engine, docker_client: DockerClient) -> Iterator[Callable[[], Stack]]:
    """Makes stacks; what they leave is removed."""
    made: list[Stack] = []

    def make() -> Stack:
        made.append(_made_stack(docker_engine, docker_client))
        return made[-1]

    yield make
    for stack in made:
        erase(docker_client, stack.name)


@pytest.fixture(scope="session")
def _kept_stack(_engine: Engine) -> Iterator[Stack]:
    """One stack for a worker: making data anew is what takes the time."""
    with pytest.MonkeyPatch.context() as patch, _engine.client() as client:
        patch.setenv("DOCKER_HOST", _engine.url)
        stack = _made_stack(_engine, client)
        stack.keep_a_row(stack.ensure())
        yield stack
        erase(client, stack.name)


@pytest.fixture
def container_with_a_row(docker_engine: Engine, _kept_stack: Stack) -> tuple[Stack, server.Running]:
    """A running server that has one row to lose, for a test that leaves its data as they are."""
    for left in _kept_stack.client.containers.list(all=True, filters={"name": f"^/{_kept_stack.name}-"}):
        left.remove(force=True, v=True)  # by a test that failed
    running = _kept_stack.ensure(known=True, protected=True)
    assert _kept_stack.rows(running) == [1]
    return _kept_stack, running


@pytest.fixture
def docker_stack(new_stack: Callable[[], Stack]) -> Stack:
    return new_stack()


def erase(client: DockerClient, name: str) -> None:
    """Remove every container whose name begins so, and the volume."""
    for container in client.containers.list(all=True, filters={"name": f"^/{name}"}, ignore_removed=True):
        with contextlib.suppress(APIError):
            container.remove(force=True, v=True)
    with contextlib.suppress(NotFound):
        client.volumes.get(name).remove(force=True)


def _made_stack(engine: Engine, client: DockerClient) -> Stack:
    name = f"test-{secrets.token_hex(4)}"
    asked = server.Wanted(
        Owner("infraops", name), f"infraops-{name}", Asked(f"{engine.repository}:17"), 17, None, Limits(), passwords.generate()
    )
    return Stack(engine, client, asked, place.make(asked.owner, asked.volume, asked.image, asked.major))


def _made(folder: Path) -> tuple[str, str, str]:
    """The engine's URL, the image's repository, and why there is none."""
    try:
        url = endpoint.find().url
        if not _answers(url):
            url = _started(folder)
        ours = str(folder) in url
        with Engine(url, "").client() as client:
            repository = "postgres" if ours else "infraops-test/postgres"
            postgres_image.build(client, repository)
        return url, repository, ""
    except (LookupError, UserError) as error:
        return "", "", " ".join(str(error).split())


def _started(folder: Path) -> str:
    program = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or os.geteuid() != 0:
        raise LookupError("there is no dockerd here" if program is None else "only root can start dockerd")
    url = f"unix://{folder}/socket"
    command = [program, "--host", url, "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"),
               "--pidfile", str(folder / "daemon.pid")]  # fmt: skip
    script = 'log=$1; shift; "$@" >"$log" 2>&1 & echo $!'  # its parent is to be nobody of ours
    with _only_one() as lock:
        started = subprocess.run(
            ["sh", "-c", script, "sh", str(folder / "log"), *command],
            stdout=subprocess.PIPE, text=True, start_new_session=True, check=True, pass_fds=[lock],
        )  # fmt: skip
    (folder / "pid").write_text(started.stdout)
    daemon = psutil.Process(int(started.stdout))
    deadline = time.monotonic() + _SECONDS
    while not _answers(url):
        if not daemon.is_running() or time.monotonic() > deadline:
            raise LookupError(f"dockerd does not start: {(folder / 'log').read_text().splitlines()[-1:]}")
        time.sleep(0.1)
    return url


@contextlib.contextmanager
def _only_one() -> Iterator[int]:
    """A lock that the daemon inherits and holds for as long as it lives: two would take each other's bridge and firewall rules."""
    deadline = time.monotonic() + _OTHERS_SECONDS
    with (Path(tempfile.gettempdir()) / "infraops-test-docker.lock").open("a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                lock.seek(0)
                _stop_if_left(lock.read())
                if time.monotonic() > deadline:
                    raise LookupError(f"the engine of another run of tests has been up for {_OTHERS_SECONDS} s") from None
                time.sleep(0.2)
        lock.truncate(0)
        lock.write(os.environ[_FOLDER])
        lock.flush()
        yield lock.fileno()


def _stop_if_left(folder: str) -> None:
    """Stop the engine in `folder` when the run that began it was killed."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        if folder and not psutil.pid_exists(int((Path(folder) / "run").read_text())):
            _stop(Path(folder))


def _stop(folder: Path) -> None:
    """End the engine of a run, if it has one, and all that it has made."""
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        daemon = psutil.Process(int((folder / "pid").read_text()))
        if any(str(folder) in part for part in daemon.cmdline()):
            daemon.send_signal(signal.SIGTERM)
            psutil.wait_procs([daemon], timeout=_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", url)
        try:
            with engine.connected() as client:
                return bool(client.ping())
        except UserError:
            return False
