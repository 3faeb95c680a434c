"""What an application's environment says is what its store does."""

import asyncio

import pytest

from infraops_core import roles
from infraops_core.audit.environment import open_async_store, open_store
from infraops_core.audit.store import Preview, Recorded
from infraops_core.errors import UserError
from tests.fix_audit import event
from tests.fix_postgres import AuditDatabase

VARIABLES = ("DATABASE_URL", "DATABASE_SSL_MODE", "ENABLE_HOSTED_AUDIT_WRITES")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def write(tenant: str, *, in_asyncio: bool) -> Recorded | Preview:
    if not in_asyncio:
        with open_store(tenant) as store:
            return store.record_audit_event(event())

    async def written() -> Recorded | Preview:
        async with open_async_store(tenant) as store:
            return await store.record_audit_event(event())

    return asyncio.run(written())


@pytest.mark.parametrize("in_asyncio", [False, True])
@pytest.mark.parametrize("said", ["true", "TRUE", "false", "", None])
def test_writes_only_when_it_says_so(
    audit: AuditDatabase, tenant: str, monkeypatch: pytest.MonkeyPatch, said: str | None, in_asyncio: bool
) -> None:
    writes = said in ("true", "TRUE")
    if writes:
        monkeypatch.setenv("DATABASE_URL", audit.access(roles.APP).url.with_password())
    monkeypatch.setenv("DATABASE_SSL_MODE", "disable")
    if said is not None:
        monkeypatch.setenv("ENABLE_HOSTED_AUDIT_WRITES", said)
    assert isinstance(write(tenant, in_asyncio=in_asyncio), Recorded if writes else Preview)


@pytest.mark.parametrize("around", ["{}\n", '"{}"', " '{}' "])
def test_what_a_dotenv_leaves_around_a_value_is_no_part_of_it(
    audit: AuditDatabase, tenant: str, monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    url = audit.access(roles.APP).url.with_password()
    for name, value in zip(VARIABLES, (url, "disable", "true"), strict=True):
        monkeypatch.setenv(name, around.format(value))
    assert isinstance(write(tenant, in_asyncio=False), Recorded)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"ENABLE_HOSTED_AUDIT_WRITES": "yes"}, 'ENABLE_HOSTED_AUDIT_WRITES is "yes": true or false'),
        ({"DATABASE_SSL_MODE": "prefer"}, 'DATABASE_SSL_MODE is "prefer": one of: disable, require, verify-full'),
        ({"ENABLE_HOSTED_AUDIT_WRITES": "true"}, "DATABASE_URL is not set"),
        ({"ENABLE_HOSTED_AUDIT_WRITES": "true", "DATABASE_URL": "postgresql://u:geheim@h.example/d"}, "needs sslmode=require"),
    ],
)
def test_refused_and_why(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], problem: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as refused:
        write("t", in_asyncio=False)
    assert problem in refused.value.what
    assert "geheim" not in str(refused.value)
