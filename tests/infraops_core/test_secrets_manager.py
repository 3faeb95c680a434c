"""The URL from a secret: what is read, what is refused, and how often AWS is asked.

boto3 is an extra that tests do without: its client is stood in for by one with the same method. What is said without boto3 is real.
"""

import importlib.util
import threading
from typing import Any

import pytest

from infraops_core.errors import UserError
from infraops_core.secrets_manager import SecretsManagerUrl
from tests.fix_postgres import wait_until

OLD = "postgresql://app:old-secret@old.example:5432/infraops?sslmode=require"
NEW = "postgresql://app:new-secret@new.example:5432/infraops?sslmode=require"


class Client:
    """Answers with `text`, or bytes; counts."""

    def __init__(self, text: str | bytes) -> None:
        self.text = text
        self.asked: list[str] = []

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        self.asked.append(SecretId)
        return {"SecretString" if isinstance(self.text, str) else "SecretBinary": self.text}


@pytest.mark.parametrize(
    ("text", "key", "current", "upcoming"),
    [
        (OLD, None, OLD, None),
        (f"{OLD}\n", None, OLD, None),
        (f'{{"DATABASE_URL": "{OLD}"}}', "DATABASE_URL", OLD, None),
        (f'{{"DATABASE_URL": "{OLD}", "DATABASE_URL_NEXT": "{NEW}", "other": 1}}', "DATABASE_URL", OLD, NEW),
        (f'{{"url": "{OLD}", "url_NEXT": ""}}', "url", OLD, None),
    ],
)
def test_the_url_is_the_text_or_a_member_of_it(text: str, key: str | None, current: str, upcoming: str | None) -> None:
    client = Client(text)
    source = SecretsManagerUrl("prod/audit", key, client=client)
    assert source.upcoming() is None
    assert (source.current(), source.upcoming()) == (current, upcoming)
    assert client.asked == ["prod/audit"]
    assert "secret@" not in repr(source)


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("hunter2-secret", None, "the secret's text is no database URL: a database URL begins with"),
        (b"\x00secret", None, "holds bytes, no text"),
        ("", None, "holds bytes, no text"),
        (OLD, "url", "no JSON object with the text url"),
        ("[1]", "url", "no JSON object with the text url"),
        ('{"url": 1}', "url", "no JSON object with the text url"),
        ('{"other": "secret"}', "url", "no JSON object with the text url"),
        ('{"url": "mysql://u:secret@h/d"}', "url", "url is no database URL"),
        (f'{{"url": "{OLD}", "url_NEXT": "secret"}}', "url", "url_NEXT is no database URL"),
        (f'{{"url": "{OLD}", "url_NEXT": ["secret"]}}', "url", "url_NEXT is no text"),
    ],
)
def test_another_secret_is_refused_by_its_name_and_not_shown(text: str | bytes, key: str | None, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as refused:
        SecretsManagerUrl("prod/audit", key, client=Client(text)).current()
    assert refused.value.where == "secret prod/audit"
    assert "secret@" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_an_old_answer_is_renewed_in_the_background() -> None:
    client = Client(OLD)
    source = SecretsManagerUrl("prod/audit", seconds=1.1, client=client)
    assert source.current() == OLD
    client.text = NEW
    assert source.current() == OLD
    wait_until(lambda: source.current() == NEW, "the new URL", 5)
    assert len(client.asked) == 2


def test_an_answer_stays_in_force_where_renewing_fails() -> None:
    client = Client(OLD)
    source = SecretsManagerUrl("prod/audit", client=client)
    source.current()
    client.text = b"spoilt"
    source._asked_at = 0.0
    with pytest.raises(UserError, match="holds bytes"):
        source.refresh()
    assert source.current() == OLD


def test_threads_that_ask_at_once_share_an_answer() -> None:
    client = Client(OLD)
    source = SecretsManagerUrl("prod/audit", client=client)
    threads = [threading.Thread(target=source.refresh) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.refresh()
    assert len(client.asked) == 1


@pytest.mark.skipif(importlib.util.find_spec("boto3") is not None, reason="boto3 is installed here")
def test_without_boto3_it_says_what_to_install() -> None:
    with pytest.raises(UserError, match="needs boto3") as refused:
        SecretsManagerUrl("prod/audit").current()
    assert refused.value.next == 'pip install -e ".[aws]"'
