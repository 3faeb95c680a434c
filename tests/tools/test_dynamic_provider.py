"""The dynamic provider's launcher as a process, called the way the engine calls it."""

import base64
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dill  # type: ignore[import-untyped]
import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.dynamic import CreateResult
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from infraops_core import checkout
from infraops_core.errors import UserError
from stacks.resources.shim import Properties, Shim
from tests.tools.test_language_host import PARENT, SECONDS, gone, started

COMMAND = [sys.executable, "-u", str(checkout.ROOT / "tools" / "dynamic_provider.py"), "127.0.0.1:1"]


class Waits(Shim):
    def create(self, props: Properties) -> CreateResult:
        print("creating", flush=True)
        time.sleep(600)
        return CreateResult(id_="never", outs={})


class Refuses(Shim):
    def create(self, props: Properties) -> CreateResult:
        raise UserError("the disk is full", where="/data", next="free some space") from OSError("of no interest")


class Fails(Shim):
    def create(self, props: Properties) -> CreateResult:
        raise RuntimeError("a bug")


@contextmanager
def serving() -> Iterator[tuple["subprocess.Popen[bytes]", Any]]:
    with started(COMMAND) as process:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            grpc.channel_ready_future(channel).result(SECONDS)
            yield process, provider_pb2_grpc.ResourceProviderStub(channel)


def create(provider: Shim) -> Any:
    properties = Struct()
    properties["__provider"] = base64.b64encode(dill.dumps(provider)).decode()
    return provider_pb2.CreateRequest(urn="urn:pulumi:s::p::pulumi-python:dynamic:Resource::r", properties=properties)


@pytest.fixture(autouse=True)
def _tests_can_be_imported_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(checkout.ROOT))


def test_serves_the_sdks_provider() -> None:
    with serving() as (_, stub):
        assert stub.GetPluginInfo(Empty(), timeout=SECONDS).version


def test_shows_a_users_mistake_in_its_own_words_and_a_bug_with_its_traceback() -> None:
    with serving() as (_, stub):
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as refused:
                stub.Create(create(Refuses()), timeout=SECONDS)
            said = "infraops_core.errors.UserError: the disk is full\n  where: /data\n  next:  free some space\n"
            assert refused.value.details() == said
            with pytest.raises(grpc.RpcError) as failed:
                stub.Create(create(Fails()), timeout=SECONDS)
            assert "Traceback (most recent call last)" in failed.value.details()
            assert 'raise RuntimeError("a bug")' in failed.value.details()


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_sigint_ends_it_at_once(busy: bool) -> None:
    with serving() as (process, stub):
        if busy:
            call = stub.Create.future(create(Waits()), timeout=SECONDS)
            assert process.stdout is not None
            assert process.stdout.readline() == b"creating\n", call  # a call nobody holds on to is cancelled
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.parametrize("when", ["while it starts", "while it serves"])
def test_ends_after_its_parent_was_killed(when: str) -> None:
    with started([sys.executable, "-u", "-c", PARENT, *COMMAND]) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if when == "while it serves":
            assert int(parent.stdout.readline()) > 0
        parent.kill()
        assert gone(pid, 8)
