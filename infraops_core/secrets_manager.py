"""`DATABASE_URL` from AWS Secrets Manager, as a source for the audit store.

It needs the extra `aws` (boto3) and the permission secretsmanager:GetSecretValue on the secret. Cost: 0.05 USD for 10,000
calls (AWS Secrets Manager pricing, 2026-11); one call a minute is 0.22 USD a month.
"""

import importlib
import json
import threading
import time
from typing import Any, Protocol

from infraops_core.database_url import parse
from infraops_core.errors import UserError

_WAIT_SECONDS = 3
_APART_SECONDS = 1.0


class Client(Protocol):
    """What is asked of boto3's client for Secrets Manager."""

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]: ...  # noqa: N803 - the API's name


class SecretsManagerUrl:
    """The URL in a secret: its whole text or, with `key`, that member of the JSON object it is.

    The URL that will be next is announced in the same object, as `{key}_NEXT`. Nothing waits for AWS but the first question
    and `refresh`: an answer older than `seconds` is renewed in the background, and stays in force where that fails.

    :param region: AWS' own settings say it where this does not.
    :param client: another than boto3's.
    """

    def __init__(
        self, secret_id: str, key: str | None = None, region: str | None = None, *, seconds: float = 60, client: Client | None = None
    ) -> None:
        self._secret_id = secret_id
        self._key = key
        self._region = region
        self._seconds = seconds
        self._client = client
        self._asking = threading.Lock()
        self._renewing = threading.Lock()
        self._urls: tuple[str, str | None] | None = None
        self._asked_at = float("-inf")

    def current(self) -> str:
        if self._urls is None:
            return self.refresh()
        if time.monotonic() - self._asked_at > self._seconds and self._renewing.acquire(blocking=False):
            threading.Thread(target=self._renew, name="infraops-secret", daemon=True).start()
        return self._urls[0]

    def refresh(self) -> str:
        """The URL now; questions at once, or within a second, share an answer, for each is a call that is paid.

        :raises UserError: when AWS gives none.
        """
        came_at = time.monotonic()
        with self._asking:
            if self._urls is None or self._asked_at < came_at - _APART_SECONDS:
                try:
                    self._urls = self._read(self._ask())
                finally:
                    self._asked_at = time.monotonic()
            return self._urls[0]

    def upcoming(self) -> str | None:
        return self._urls[1] if self._urls else None

    def __repr__(self) -> str:
        return f"SecretsManagerUrl({self._secret_id!r}, key={self._key!r})"

    def _renew(self) -> None:
        try:
            self.refresh()
        except UserError:
            pass  # who needs another URL asks again, and is told then
        finally:
            self._renewing.release()

    def _ask(self) -> str:
        self._client = self._client or _connected(self._region)
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id)
        except _errors() as error:
            code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")  # a timeout has one that is None
            raise self._refused(f"AWS does not give the secret: {error}", _REMEDIES.get(code, _LET_IN)) from None
        text = answer.get("SecretString")
        if not text:
            raise self._refused("the secret holds bytes, no text", "store the URL as the secret's text")
        return str(text)

    def _read(self, text: str) -> tuple[str, str | None]:
        if self._key is None:
            return self._url(text, "the secret's text"), None
        try:
            members = json.loads(text)
        except ValueError:
            members = None
        if not isinstance(members, dict) or not isinstance(members.get(self._key), str):
            raise self._refused(
                f"the secret is no JSON object with the text {self._key}", f'store it as {{"{self._key}": "postgresql://…"}}'
            )
        following = members.get(f"{self._key}_NEXT")
        return self._url(members[self._key], self._key), self._url(following, f"{self._key}_NEXT") if following else None

    def _url(self, text: object, part: str) -> str:
        if not isinstance(text, str):
            raise self._refused(f"{part} is no text", f"store the URL as {part}'s text, or leave it out")
        try:
            parse(text)
        except UserError as refused:
            raise self._refused(f"{part} is no database URL: {refused.what}", refused.next) from None
        return text.strip()

    def _refused(self, what: str, remedy: str) -> UserError:
        return UserError(what, where=f"secret {self._secret_id}", next=remedy)


_LET_IN = "see that this machine reaches Secrets Manager and has credentials (aws sts get-caller-identity)"
_REMEDIES = {
    "ResourceNotFoundException": "see that name and region are the secret's",
    "AccessDeniedException": "grant secretsmanager:GetSecretValue on the secret, and kms:Decrypt on its key",
}


def _connected(region: str | None) -> Client:
    """boto3's client, that gives up within seconds."""
    try:
        boto3, config = _module("boto3"), _module("botocore.config")
    except ImportError:
        raise UserError("a secret of AWS needs boto3, and it is not installed", next='pip install -e ".[aws]"') from None
    limits = config.Config(connect_timeout=_WAIT_SECONDS, read_timeout=_WAIT_SECONDS, retries={"total_max_attempts": 2})
    try:
        client: Client = boto3.client("secretsmanager", region_name=region, config=limits)
    except _errors() as error:
        raise UserError(f"AWS can't be asked: {error}", next="name the region: in AWS_REGION or the source's settings") from None
    return client


def _errors() -> tuple[type[Exception], ...]:
    """Whatever boto3 says when it does not work; nothing where it is not installed."""
    try:
        exceptions = _module("botocore.exceptions")
    except ImportError:
        return ()
    return exceptions.BotoCoreError, exceptions.ClientError


def _module(name: str) -> Any:
    """boto3 by name: this package has to start without it, and nothing else in it knows it."""
    return importlib.import_module(name)
