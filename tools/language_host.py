"""A Pulumi language host for Python, for a CLI that came without one.

The engine starts it as `pulumi-language-python [FLAGS] ENGINE_ADDRESS`, reads a port from its first line of output,
and calls `Run` for the program and `RunPlugin` for policy packs. `Run` is the SDK's own (pulumi.automation);
what the official host does beyond that is in github.com/pulumi/pulumi-python, pulumi-language-python/main.go.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import grpc
from google.protobuf.empty_pb2 import Empty
from orphan import end_with_parent
from pulumi.automation._server import LanguageServer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

_POLICY_PACK = "analyzer"


class PythonHost(LanguageServer):
    """The calls the engine makes, answered for the Python that runs this file."""

    def __init__(self, engine_address: str) -> None:
        super().__init__(lambda: None)
        self.engine_address = engine_address

    def Handshake(self, request: Any, context: Any) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="1.0.0")

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        yield from ()  # the Makefile installs them, pinned

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        return language_pb2.RuntimeOptionsResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def Cancel(self, request: Any, context: Any) -> Any:
        return Empty()

    def Run(self, request: Any, context: Any) -> Any:
        entry = Path(request.info.program_directory, request.info.entry_point)
        os.chdir(request.pwd)
        request.args.insert(0, self.engine_address)  # where the SDK's server looks for it
        self.program = lambda: _run(entry)
        return super().Run(request, context)  # type: ignore[no-untyped-call]  # the SDK leaves its server untyped

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a plugin written in Python and pass on its output and exit status; end it when the engine hangs up."""
        program = request.info.program_directory
        arguments = ["-m", "pulumi.policy", *request.args, program] if request.kind == _POLICY_PACK else [program, *request.args]
        command = [sys.executable, "-u", *arguments]
        child = subprocess.Popen(
            command, cwd=request.pwd, env=dict(pair.split("=", 1) for pair in request.env), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        context.add_callback(child.terminate)
        yield from _output(child)
        yield language_pb2.RunPluginResponse(exitcode=child.wait())


def _run(entry: Path) -> None:
    runpy.run_path(str(entry), run_name="__main__")


def _output(child: "subprocess.Popen[bytes]") -> Iterator[Any]:
    """What a child writes, as it writes it, until it closes both streams."""
    queue: SimpleQueue[Any] = SimpleQueue()

    def pump(stream: IO[bytes], name: str) -> None:
        for line in stream:
            queue.put(language_pb2.RunPluginResponse(stdout=line) if name == "stdout" else language_pb2.RunPluginResponse(stderr=line))
        queue.put(None)

    assert child.stdout is not None
    assert child.stderr is not None
    for stream, name in ((child.stdout, "stdout"), (child.stderr, "stderr")):
        threading.Thread(target=pump, args=(stream, name), daemon=True).start()
    open_streams = 2
    while open_streams:
        response = queue.get()
        if response is None:
            open_streams -= 1
        else:
            yield response


def main() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(PythonHost(sys.argv[-1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    end_with_parent()
    print(port, flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # how the engine says that it is done with us
        signal.signal(number, lambda *_: os._exit(0))
    server.wait_for_termination()


if __name__ == "__main__":
    main()
