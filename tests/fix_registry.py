"""A registry on this machine that serves images of the engine's, and refuses others in every way there is.

The protocol is OCI's "Distribution Specification", section "Pull"; an engine takes one on loopback without TLS.
"""

import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from docker import DockerClient

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_ERRORS = {401: "UNAUTHORIZED", 403: "DENIED", 404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}


@dataclass
class Registry:
    """`HOST:PORT`, and what is asked for by path."""

    address: str = ""
    content: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    stalls: set[str] = field(default_factory=set)

    def name(self, repository: str, tag: str = "17") -> str:
        return f"{self.address}/{repository}:{tag}"

    def serve(self, client: DockerClient, image: str, repository: str, *, architecture: str = "") -> str:
        """Have an image of the engine's, as `REPOSITORY:17`, and return its digest.

        :param architecture: the only one that it is offered for, if not the engine's own.
        """
        saved = io.BytesIO(b"".join(client.api.get_image(image)))
        with tarfile.open(fileobj=saved) as tar:

            def read(path: str) -> bytes:
                file = tar.extractfile(path)
                assert file is not None
                return file.read()

            listed = json.loads(read("manifest.json"))[0]
            config, layers = read(listed["Config"]), [read(path) for path in listed["Layers"]]
        for blob in (config, *layers):
            self.content[f"/v2/{repository}/blobs/{_digest(blob)}"] = ("application/octet-stream", blob)
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": _described(config, "container.image.v1+json"),
                    "layers": [_described(layer, "image.rootfs.diff.tar.gzip") for layer in layers]}  # fmt: skip
        digest = self._manifest(repository, _MANIFEST, manifest)
        if architecture:
            entry = {"mediaType": _MANIFEST, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": architecture}}
            digest = self._manifest(repository, _LIST, {"schemaVersion": 2, "mediaType": _LIST, "manifests": [entry]})
        return digest

    def refuse(self, repository: str, status: int) -> None:
        self.refusals[f"/v2/{repository}/"] = status

    def _manifest(self, repository: str, kind: str, manifest: object) -> str:
        text = json.dumps(manifest).encode()
        for reference in ("17", _digest(text)):
            self.content[f"/v2/{repository}/manifests/{reference}"] = (kind, text)
        return _digest(text)


@contextmanager
def running() -> Iterator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if any(self.path.startswith(path) for path in registry.stalls):
                time.sleep(3)
            status = next((code for path, code in registry.refusals.items() if self.path.startswith(path)), 200)
            kind, body = registry.content.get(self.path, ("application/json", b"{}"))
            if status == 200 and self.path != "/v2/" and self.path not in registry.content:
                status = 404
            if status != 200:
                kind, body = "application/json", json.dumps({"errors": [{"code": _ERRORS[status], "message": "not for you"}]}).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", _digest(body))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.address = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield registry
        server.shutdown()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _described(content: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": f"application/vnd.docker.{kind}", "size": len(content), "digest": _digest(content)}
