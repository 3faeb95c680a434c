"""What is decided, and refused, before anything is written."""

import dataclasses
from pathlib import Path

import pytest

from infraops_core import roles
from infraops_core.access import Access
from infraops_core.database_url import parse
from infraops_core.errors import UserError
from infraops_core.pooler import ini, plan, server
from infraops_core.pooler.plan import Urls
from infraops_core.tls import Tls
from tests.fix_postgres import AuditDatabase
from tests.infraops_core.pooler.conftest import on_loopback, urls_of


def planned(urls: Urls, size: int | None = None) -> plan.Pooler:
    return plan.plan(urls, on_loopback(), size=size, version=None)


def changed(urls: Urls, **parameters: str) -> Urls:
    """The same stack, whose direct URL says more, or something else."""
    assert urls.direct is not None
    return dataclasses.replace(
        urls, direct=dataclasses.replace(urls.direct, parameters=tuple((dict(urls.direct.parameters) | parameters).items()))
    )


def test_the_url_is_the_apps_and_says_that_it_is_pooled(audit: AuditDatabase) -> None:
    pooler = planned(urls_of(audit))
    password = audit.settings.passwords[roles.APP]
    assert pooler.url.with_password() == (
        f"postgresql://infraops_app:{password}@127.0.0.1:{pooler.listening.place.port}/infraops?sslmode=disable&pgbouncer=true"
    )


def test_the_verifiers_are_the_servers_own(audit: AuditDatabase) -> None:
    pooler = planned(urls_of(audit))
    with audit.server.access().connect(seconds=20) as admin:
        found = admin.execute("select rolname::text, rolpassword from pg_authid where rolname ~ 'infraops_(app|readonly)'").fetchall()
    assert pooler.are_verifiers
    assert dict(pooler.secrets) == dict(found)


def test_without_the_right_to_read_them_it_is_the_passwords(audit: AuditDatabase, hosted_admin: Access) -> None:
    for urls in (urls_of(audit, hosted_admin), dataclasses.replace(urls_of(audit), admin=None)):
        pooler = planned(urls)
        assert not pooler.are_verifiers
        assert dict(pooler.secrets) == {role: audit.settings.passwords[role] for role in (roles.APP, roles.READONLY)}


def test_with_the_apps_url_alone_it_is_for_the_app_alone(audit: AuditDatabase) -> None:
    pooler = planned(dataclasses.replace(urls_of(audit), readonly=None, direct=None, admin=None))
    assert list(pooler.secrets) == [roles.APP]
    assert pooler.behind.user == roles.APP
    assert "stats_users" not in ini.text(pooler, Path("/p"), Path("/p/userlist.txt"))
    elsewhere = parse("postgresql://u:geheim@ep-x-pooler.eu.aws.neon.tech/d?sslmode=require")
    with pytest.raises(UserError) as refused:
        planned(Urls(elsewhere, None, None, None, Tls.REQUIRE))
    assert refused.value.where == "DATABASE_URL (host ep-x-pooler.eu.aws.neon.tech)"


@pytest.mark.parametrize(
    ("limit", "size", "chosen", "warned"),
    [
        (60, None, 20, ""),
        (8, None, 8, ""),
        (0, None, 1, "the pool is for 1"),
        (-1, None, 20, ""),
        (60, 5, 5, ""),
        (60, 60, 60, "60 connections for each of 2 roles are more than the"),
        (8, 9, 9, "the server refuses infraops_app more than 8 connections (infraops:connectionLimit), and the pool is for 9"),
        (-1, 30, 30, ""),
    ],
)
def test_the_size_against_the_limits(audit: AuditDatabase, limit: int, size: int | None, chosen: int, warned: str) -> None:
    with audit.server.access().connect(seconds=20) as admin:
        try:
            admin.execute(f"alter role infraops_app connection limit {limit}".encode())
            pooler = planned(urls_of(audit), size)
        finally:
            admin.execute("alter role infraops_app connection limit 60")
    assert pooler.size == chosen
    assert bool(pooler.warnings) is bool(warned)
    assert warned in "".join(pooler.warnings)


def test_what_pgbouncer_has_no_word_for_is_told(audit: AuditDatabase) -> None:
    urls = changed(urls_of(audit), channel_binding="prefer", hostaddr="127.0.0.1", connect_timeout="5")
    assert planned(urls).warnings == ("channel_binding, hostaddr of the URL is left out: PgBouncer connects without it",)


@pytest.mark.parametrize(
    ("direct", "says", "then"),
    [
        ("postgresql://u:geheim@h.example/d?sslmode=require&pgbouncer=true", "this leads to a pooler", "use the direct URL"),
        ("postgresql://u:geheim@ep-x-pooler.eu.aws.neon.tech/d?sslmode=require", "this leads to Neon's pooler", "ep-x.eu.aws.neon.tech"),
        ("postgresql://u:geheim@a.example,b.example/d?sslmode=require", "several hosts", "name the primary's host"),
        ("postgresql://u:geheim@h.example/d", "", "sslmode=require"),
    ],
)
def test_what_it_can_not_stand_before(audit: AuditDatabase, direct: str, says: str, then: str) -> None:
    urls = dataclasses.replace(urls_of(audit), direct=parse(direct), tls=Tls.REQUIRE)
    with pytest.raises(UserError) as refused:
        planned(urls)
    assert says in refused.value.what
    assert then in refused.value.next
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"sslmode": "verify-full"}, "the URL names no authority"),
        ({"sslmode": "verify-full", "sslrootcert": "/no/such.pem"}, "there is no file /no/such.pem"),
    ],
)
def test_a_certificate_is_checked_with_something(audit: AuditDatabase, parameters: dict[str, str], says: str) -> None:
    urls = changed(urls_of(audit), **parameters)
    with pytest.raises(UserError) as refused:
        planned(urls)
    assert says in refused.value.what
    assert "sslrootcert" in refused.value.next


def test_public_authorities_are_this_systems(audit: AuditDatabase) -> None:
    urls = changed(urls_of(audit), sslrootcert="system")
    pooler = planned(urls)
    assert pooler.ca is not None
    assert "BEGIN CERTIFICATE" in Path(pooler.ca).read_text()


def test_a_server_without_the_roles_or_that_is_away_is_told(audit: AuditDatabase) -> None:
    with pytest.raises(UserError, match="the server has no role nobody"):
        server.look(audit.server.access(), ("nobody",))
    away = audit.server.access()
    away = dataclasses.replace(away, url=dataclasses.replace(away.url, port=1))
    with pytest.raises(UserError, match="could not be asked about the roles") as refused:
        server.look(away, (roles.APP,))
    assert audit.server.wanted.admin_password not in str(refused.value)
