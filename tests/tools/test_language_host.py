"""The language host as a process, called the way the engine calls it."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from infraops_core import checkout

PROGRAM = checkout.ROOT / "tools" / "language_host.py"
COMMAND = [sys.executable, "-u", str(PROGRAM), "-root=/", "127.0.0.1:1"]
SECONDS = 20.0

# A parent that starts the command, says its process, and passes on what it writes; to be killed without notice.
PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
print(child.pid, flush=True)
for line in child.stdout:
    sys.stdout.buffer.write(line)
    sys.stdout.flush()
"""


@contextmanager
def started(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that ends with the block, or when it takes so long that something must be waiting for ever."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        too_long = threading.Timer(2 * SECONDS, process.kill)
        too_long.start()
        try:
            yield process
        finally:
            too_long.cancel()
            process.kill()


@contextmanager
def connected(port: int) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(SECONDS)
        yield language_pb2_grpc.LanguageRuntimeStub(channel)


@pytest.fixture(scope="module")
def host() -> Iterator[Any]:
    with started(COMMAND) as process:
        assert process.stdout is not None
        with connected(int(process.stdout.readline())) as stub:
            yield stub


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., Any]:
    """Write a plugin, and return the request to run it."""

    def write(source: str, **fields: Any) -> Any:
        program = tmp_path / "plugin"
        program.mkdir()
        (program / "__main__.py").write_text(textwrap.dedent(source))
        info = language_pb2.ProgramInfo(root_directory=str(program), program_directory=str(program), entry_point=".")
        return language_pb2.RunPluginRequest(pwd=str(tmp_path), kind="resource", info=info, **fields)

    return write


def outputs(responses: Any) -> tuple[bytes, bytes, list[int]]:
    got = list(responses)
    exits = [response.exitcode for response in got if response.WhichOneof("output") == "exitcode"]
    return b"".join(response.stdout for response in got), b"".join(response.stderr for response in got), exits


def gone(pid: int, seconds: float) -> bool:
    """Whether the process has ended within `seconds`; one that nobody has reaped yet has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.05)
                continue
        return True
    return False


def test_answers_what_the_engine_asks_before_it_runs_anything(host: Any) -> None:
    assert isinstance(host.Handshake(language_pb2.LanguageHandshakeRequest(), timeout=SECONDS), language_pb2.LanguageHandshakeResponse)
    assert host.GetPluginInfo(Empty(), timeout=SECONDS).version == "1.0.0"
    about = host.About(language_pb2.AboutRequest(), timeout=SECONDS)
    assert about.executable == sys.executable
    assert about.version == ".".join(map(str, sys.version_info[:3]))
    assert list(host.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(), timeout=SECONDS).packages) == []
    assert list(host.InstallDependencies(language_pb2.InstallDependenciesRequest(), timeout=SECONDS)) == []
    assert list(host.GetProgramDependencies(language_pb2.GetProgramDependenciesRequest(), timeout=SECONDS).dependencies) == []
    assert host.RuntimeOptionsPrompts(language_pb2.RuntimeOptionsRequest(), timeout=SECONDS).prompts == []


def test_passes_on_what_a_plugin_writes_and_how_it_ends(host: Any, plugin: Callable[..., Any], tmp_path: Path) -> None:
    request = plugin(
        """
        import os, sys
        print("12345 without an end of line", end="", flush=True)
        print(sys.argv[1:], os.environ["GREETING"], os.getcwd(), sorted(os.environ), file=sys.stderr)
        sys.exit(7)
        """,
        args=["127.0.0.1:1", "--flag"],
        env=["GREETING=a=b", "no pair"],
    )
    stdout, stderr, exits = outputs(host.RunPlugin(request, timeout=SECONDS))
    assert stdout == b"12345 without an end of line"
    assert stderr.decode().startswith(f"['127.0.0.1:1', '--flag'] a=b {tmp_path} ")
    assert b"PATH" not in stderr
    assert exits == [7]


def test_gives_a_plugin_its_own_environment_where_the_engine_names_none(host: Any, plugin: Callable[..., Any]) -> None:
    stdout, _, exits = outputs(host.RunPlugin(plugin('import os; print("PATH" in os.environ)'), timeout=SECONDS))
    assert (stdout, exits) == (b"True\n", [0])


def test_shows_output_as_it_comes(host: Any, plugin: Callable[..., Any]) -> None:
    """The engine waits for the port a plugin prints, and the plugin for the engine."""
    responses = host.RunPlugin(plugin("import time; print(4711, end='', flush=True); time.sleep(600)"), timeout=SECONDS)
    assert next(responses).stdout == b"4711"
    responses.cancel()


def test_runs_a_policy_pack_through_the_sdk(host: Any, plugin: Callable[..., Any]) -> None:
    request = plugin("raise RuntimeError('from the pack')", args=["127.0.0.1:1"])
    request.kind = "analyzer"
    _, stderr, exits = outputs(host.RunPlugin(request, timeout=SECONDS))
    assert b"pulumi/policy/__main__.py" in stderr
    assert b"from the pack" in stderr
    assert exits == [1]


@pytest.mark.parametrize("prelude", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"], ids=["obeying", "stubborn"])
def test_ends_a_plugin_when_the_engine_hangs_up(host: Any, plugin: Callable[..., Any], prelude: str) -> None:
    responses = host.RunPlugin(plugin(f"{prelude}\nimport os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)"), timeout=SECONDS)
    pid = int(next(responses).stdout)
    responses.cancel()
    assert gone(pid, 10)


def test_many_plugins_leave_room_for_other_calls(host: Any, plugin: Callable[..., Any]) -> None:
    request = plugin("import time; print(1, flush=True); time.sleep(600)")
    running = [host.RunPlugin(request, timeout=SECONDS) for _ in range(6)]
    for responses in running:
        next(responses)
    assert host.GetPluginInfo(Empty(), timeout=5).version
    for responses in running:
        responses.cancel()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_its_plugins_at_once(plugin: Callable[..., Any], number: int) -> None:
    with started(COMMAND) as process:
        assert process.stdout is not None
        with connected(int(process.stdout.readline())) as stub:
            responses = stub.RunPlugin(plugin("import os, time; print(os.getpid(), flush=True); time.sleep(600)"), timeout=SECONDS)
            pid = int(next(responses).stdout)
            process.send_signal(number)
            assert process.wait(10) == 0
            assert gone(pid, 10)


@pytest.mark.parametrize("when", ["while it starts", "while it serves"])
def test_ends_after_its_parent_was_killed(when: str) -> None:
    with started([sys.executable, "-u", "-c", PARENT, *COMMAND]) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if when == "while it serves":
            assert int(parent.stdout.readline()) > 0
        parent.kill()
        assert gone(pid, 8)


def test_ends_after_its_parent_was_killed_even_if_others_read_its_output() -> None:
    with started(["sh", "-c", '"$@" & echo $!; wait', "sh", *COMMAND]) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert int(parent.stdout.readline()) > 0
        parent.kill()
        assert gone(pid, 8)


def test_ends_its_plugins_after_its_parent_was_killed(plugin: Callable[..., Any]) -> None:
    with started([sys.executable, "-u", "-c", PARENT, *COMMAND]) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        with connected(int(parent.stdout.readline())) as stub:
            responses = stub.RunPlugin(plugin("import os, time; print(os.getpid(), flush=True); time.sleep(600)"), timeout=SECONDS)
            pid = int(next(responses).stdout)
            os.kill(parent.pid, signal.SIGKILL)
            assert gone(pid, 8)
