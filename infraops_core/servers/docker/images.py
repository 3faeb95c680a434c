"""The image: found or pulled, and what it says of itself.

The interface relied on is that of the official image and of those made from it (pgvector, postgis, timescaledb): its
entrypoint, PGDATA, PG_MAJOR and the declared volume, which moved from /var/lib/postgresql/data to /var/lib/postgresql in 18
(Docker Hub, "postgres", sections "Environment Variables" and "PGDATA").
"""

import queue
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infraops_core.errors import UserError
from infraops_core.servers.docker import endpoint, engine

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image as Found

_STALL_SECONDS = 120
_PULL_SECONDS = 1800
_TAG_MAJOR = re.compile(r"(?:^|(?:^|-)pg)(?P<major>1[0-9]|2[0-9])(?=[.-]|beta|rc|$)")
_DATA = "/var/lib/postgresql/data"


@dataclass(frozen=True)
class Asked:
    """An image by name, tag included, and the digest it must have, if that was said."""

    reference: str
    digest: str | None = None

    @property
    def repository(self) -> str:
        """The name without its tag; a colon before a slash is a port."""
        head, colon, tail = self.reference.rpartition(":")
        return head if colon and "/" not in tail else self.reference

    @property
    def tag(self) -> str:
        return self.reference[len(self.repository) + 1 :] or "latest"

    @property
    def name(self) -> str:
        """What an engine finds it by; a digest says more than a tag."""
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"


@dataclass(frozen=True)
class Image:
    """An image the engine has.

    :param digest: the registry's; the image's own id where it came from no registry.
    :param mount: where its volume goes.
    """

    name: str
    id: str
    digest: str
    major: int
    mount: str
    entrypoint: tuple[str, ...]
    user: str


def major_in(reference: str) -> int | None:
    """The major version that a tag names: `postgres:17.5-alpine`, `pgvector/pgvector:pg17`; `None` where it names none."""
    found = _TAG_MAJOR.search(Asked(reference).tag)
    return int(found["major"]) if found else None


def have(client: "DockerClient", asked: Asked) -> Image:
    """The image, pulled where the engine has none of that name; one it has is never pulled anew.

    :raises UserError: where it cannot be pulled, and for an image that is no Postgres of the official kind.
    """
    found = local(client, asked)
    if found is None:
        _pull(client, asked)
        found = local(client, asked)
    if found is None:
        raise UserError(f"the image {asked.name} was pulled and is not there", where=endpoint.find().url, next="run it again")
    return found


def local(client: "DockerClient", asked: Asked) -> Image | None:
    """The image as the engine has it now; one that was built there has no digest but its id."""
    from docker.errors import ImageNotFound

    for name in (asked.name, asked.digest) if asked.digest else (asked.name,):
        try:
            return _described(name, asked, client.images.get(name))
        except ImageNotFound:
            continue
    return None


def check_major(image: Image, major: int, stack: str) -> None:
    """Refuse an image of another major version than the stack's."""
    if image.major != major:
        raise UserError(
            f"the image {image.name} is Postgres {image.major}, and this stack runs Postgres {major}",
            where=f"Pulumi.{stack}.yaml, infraops:image",
            next=f"name an image of Postgres {major}; for another major version make a second stack, and a cutover to it",
        )


def _described(name: str, asked: Asked, found: "Found") -> Image:
    config = found.attrs.get("Config") or {}
    environment = dict(entry.split("=", 1) for entry in config.get("Env") or [])
    if not environment.get("PG_MAJOR", "").isdecimal():
        raise UserError(
            f"the image {name} does not say which Postgres it is: it has no PG_MAJOR in its environment",
            where="infraops:image",
            next="take the official image postgres, or one made from it",
        )
    data = environment.get("PGDATA", _DATA)
    around = [volume for volume in config.get("Volumes") or {} if f"{data}/".startswith(f"{volume.rstrip('/')}/")]
    return Image(
        name=name,
        id=str(found.id),
        digest=_digest(asked, found),
        major=int(environment["PG_MAJOR"]),
        mount=max(around, key=len, default=data),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        user=config.get("User") or "",
    )


def _digest(asked: Asked, found: "Found") -> str:
    """The one it was asked by, or the one of its repository: another registry may know the same image by another."""
    known = [entry.partition("@")[::2] for entry in found.attrs.get("RepoDigests") or []]
    known.sort(key=lambda pair: (pair[1] != asked.digest, pair[0] != asked.repository))
    return known[0][1] if known else str(found.id)


def _pull(client: "DockerClient", asked: Asked) -> None:
    """The SDK waits for a registry without end, so a thread reads, and we wait for each piece of its news."""
    print(f"Pulling   {asked.name}")
    begun = time.monotonic()
    news: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()
    threading.Thread(target=_read_news, args=(client, asked, news), daemon=True).start()
    while True:
        try:
            piece = news.get(timeout=_STALL_SECONDS)
        except queue.Empty:
            raise _not_pulled(asked, f"no news for {_STALL_SECONDS} s") from None
        if piece is None:
            break
        if isinstance(piece, Exception):
            raise piece
        if "error" in piece:
            raise _not_pulled(asked, " ".join(str(piece["error"]).split()))
        if time.monotonic() - begun > _PULL_SECONDS:
            raise _not_pulled(asked, f"it did not end within {_PULL_SECONDS} s")
    print(f"Pulled    {asked.name} in {time.monotonic() - begun:.1f} s")


def _read_news(client: "DockerClient", asked: Asked, news: "queue.Queue[dict[str, Any] | Exception | None]") -> None:
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        for piece in client.api.pull(asked.repository, tag=asked.digest or asked.tag, stream=True, decode=True):
            news.put(piece)
        news.put(None)
    except APIError as error:
        news.put(_not_pulled(asked, engine.explanation(error)))
    except (DockerException, RequestException) as error:
        news.put(error)


def _not_pulled(asked: Asked, said: str) -> UserError:
    """The error for a failed pull, by what the engine says of it."""
    where = f"infraops:image {asked.name}"
    lower = said.lower()
    if "no matching manifest for" in lower or "does not match the specified platform" in lower:
        return UserError(f"there is no image {asked.name} for this engine's platform: {said}", where=where,
                         next="name an image that is made for it")  # fmt: skip
    if "no space left" in lower:
        return engine.refused(said, where)
    if "toomanyrequests" in lower:
        return UserError(f"the registry gives no more images for now: {said}", where=where, next="docker login, or wait; then run it again")
    if any(words in lower for words in ("pull access denied", "denied", "unauthorized", "authentication required", "no basic auth")):
        return UserError(f"the registry refuses the image {asked.name}, or has none: {said}", where=where,
                         next="see its name; for a private one docker login, then run it again")  # fmt: skip
    if any(words in lower for words in ("not found", "manifest unknown", "unknown manifest")):
        return UserError(f"there is no image {asked.name}: {said}", where=where, next="see its name, tag and digest")
    return UserError(f"the image {asked.name} could not be pulled: {said}", where=where,
                     next="see that the engine reaches the registry, or load the image with docker load; then run it again")  # fmt: skip
