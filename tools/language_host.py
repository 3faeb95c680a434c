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
from collections.abc import Callable, Iterator
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
_CALLS = 64  # a program and each plugin hold one for as long as they run; others must still get through
_END_SECONDS = 2.0


class PythonHost(LanguageServer):
    """The calls the engine makes, answered for the Python that runs this file."""

    def __init__(self, engine_address: str) -> None:
        super().__init__(lambda: None)
        self.engine_address = engine_address
        self._children: set[subprocess.Popen[bytes]] = set()

    def leave(self, *_: Any) -> None:
        """End this process and the plugins it runs, at once."""
        self.end_children()
        os._exit(0)

    def end_children(self) -> None:
        """End the plugins without asking them; a policy pack keeps nothing."""
        for child in tuple(self._children):
            child.kill()

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
        result = super().Run(request, context)  # type: ignore[no-untyped-call]  # the SDK leaves its server untyped
        # The SDK has shown the error already; `bail` has the engine end without showing it again.
        return language_pb2.RunResponse(bail=True) if result.error else result

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a plugin written in Python and pass on its output and exit status; end it when the engine hangs up."""
        program = request.info.program_directory
        arguments = ["-m", "pulumi.policy", *request.args, program] if request.kind == _POLICY_PACK else [program, *request.args]
        command = [sys.executable, "-u", *arguments]
        environment = dict(pair.split("=", 1) for pair in request.env if "=" in pair) or None  # none given: our own
        child = subprocess.Popen(command, cwd=request.pwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._children.add(child)
        try:
            yield from _output(child, context)
        finally:
            _end(child)
            self._children.discard(child)
        yield language_pb2.RunPluginResponse(exitcode=child.returncode)


def _run(entry: Path) -> None:
    runpy.run_path(str(entry), run_name="__main__")


def _output(child: "subprocess.Popen[bytes]", context: Any) -> Iterator[Any]:
    """What a child writes, as it writes it, until it has ended or the engine hangs up."""
    queue: SimpleQueue[Any] = SimpleQueue()

    def pump(stream: IO[bytes], wrap: Callable[[bytes], Any]) -> None:
        with stream:
            while written := os.read(stream.fileno(), 65536):
                queue.put(wrap(written))

    def pump_both() -> None:
        pumps = [
            threading.Thread(target=pump, args=(child.stdout, lambda text: language_pb2.RunPluginResponse(stdout=text)), daemon=True),
            threading.Thread(target=pump, args=(child.stderr, lambda text: language_pb2.RunPluginResponse(stderr=text)), daemon=True),
        ]
        for thread in pumps:
            thread.start()
        for thread in pumps:
            thread.join()
        child.wait()
        queue.put(None)

    threading.Thread(target=pump_both, daemon=True).start()
    if not context.add_callback(lambda: queue.put(None)):
        return  # it hung up before we could ask to be told
    while (response := queue.get()) is not None:
        yield response


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Have a child end: it has by itself, or does as it likes, or is forced to."""
    child.terminate()
    try:
        child.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main() -> None:
    host = PythonHost(sys.argv[-1])
    for number in (signal.SIGINT, signal.SIGTERM):  # how the engine says that it is done with us
        signal.signal(number, host.leave)
    end_with_parent(before=host.end_children)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_CALLS), options=_GRPC_CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
