"""What a look at somebody else's database tells, and what it refuses; each refusal of docs/external.md."""

import dataclasses
import socket

import pytest

from infraops_core.access import Access
from infraops_core.database_url import Place
from infraops_core.errors import UserError
from infraops_core.external import look
from infraops_core.servers import loopback
from infraops_core.servers.embedded import server
from infraops_core.servers.loopback import LOOPBACK
from infraops_core.tls import Tls
from tests.fix_pgbouncer import pgbouncer
from tests.fix_postgres import TestServer
from tests.fix_tls import TlsServer
from tests.infraops_core.external.conftest import ASKED, Shop


def refused(access: Access, asked: look.Asked) -> UserError:
    with pytest.raises(UserError) as refusal:
        look.at(access, asked)
    assert access.url.password not in str(refusal.value)
    assert "infraops:databaseUrl" in refusal.value.where
    return refusal.value


def changed(access: Access, **parts: object) -> Access:
    return dataclasses.replace(access, url=dataclasses.replace(access.url, **parts))  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["admin", "landlord"])
def test_a_superuser_and_an_owner_who_makes_roles_will_do(shop: Shop, role: str) -> None:
    access = shop.server.access(database="postgres") if role == "admin" else shop.access(shop.landlord)
    looked = look.at(access, shop.asked())
    assert looked.server_version == shop.server.running.version
    assert looked.identity.startswith(f"{shop.server.running.identity}-")
    assert look.at(access, shop.asked()) == looked


def test_a_database_made_anew_is_another_one(shop: Shop) -> None:
    before = look.at(shop.access(shop.landlord), shop.asked())
    shop.run(f"drop database {shop.name}", f"create database {shop.name} owner {shop.landlord}", database="postgres")
    assert look.at(shop.access(shop.landlord), shop.asked()).identity != before.identity


def test_where_the_clusters_number_may_not_be_read_the_place_stands_for_it(shop: Shop) -> None:
    shop.run("revoke execute on function pg_control_system() from public")
    place = f"{LOOPBACK}:{shop.server.running.port}-"
    looked = look.at(shop.access(shop.landlord), shop.asked(before=place))
    assert looked.identity.startswith(place)
    assert look.at(shop.access(shop.landlord), shop.asked(before=place)) == looked


def test_roles_that_others_made_need_no_right_to_make_some(shop: Shop) -> None:
    assert look.at(shop.access(shop.clerk), shop.asked(makes_roles=False)).server_version


def test_wrong_password(shop: Shop) -> None:
    error = refused(changed(shop.access(shop.landlord), password="x" * 12), shop.asked())
    assert error.what == f"{shop.landlord} is not let in with that password"
    assert "infraops secret set shop databaseUrl" in error.next


def test_no_such_user(shop: Shop) -> None:
    error = refused(changed(shop.access(shop.landlord), user="nobody_here"), shop.asked())
    assert error.what == "nobody_here is not let in with that password"  # Postgres tells nobody which users there are


def test_a_user_who_may_not_log_in(shop: Shop) -> None:
    shop.run(f"alter role {shop.clerk} nologin")
    assert refused(shop.access(shop.clerk), shop.asked()).what == f"there is no {shop.clerk} who may log in there"


def test_no_such_database(shop: Shop) -> None:
    error = refused(shop.access(shop.landlord), shop.asked(database="No such"))
    assert error.what == "there is no database No such on that server"
    assert 'create database "No such"' in error.next


def test_nothing_listens(shop: Shop) -> None:
    port = loopback.free_port()
    assert refused(changed(shop.access(shop.landlord), port=port), shop.asked()).what == f"nothing listens on {LOOPBACK}:{port}"


def test_no_such_host(shop: Shop) -> None:
    elsewhere = changed(shop.access(shop.landlord), host="no-such-host.localhost.invalid", parameters=(("sslmode", "require"),))
    error = refused(dataclasses.replace(elsewhere, tls=Tls.REQUIRE), shop.asked())
    assert error.what == "there is no host no-such-host.localhost.invalid"


def test_a_server_that_says_nothing_is_given_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "SECONDS", 2)
    with socket.socket() as silent:
        silent.bind((LOOPBACK, 0))
        silent.listen()
        port = silent.getsockname()[1]
        error = refused(changed(shop.access(shop.landlord), port=port), shop.asked())
    assert error.what.startswith(f"{LOOPBACK}:{port} gives no answer")


def test_no_tls_where_the_url_demands_it(shop: Shop) -> None:
    demanding = dataclasses.replace(changed(shop.access(shop.landlord), parameters=(("sslmode", "require"),)), tls=Tls.REQUIRE)
    assert refused(demanding, shop.asked()).what == "the server offers no TLS, and its URL demands it"


def test_writes_off_by_default(shop: Shop) -> None:
    shop.run(f"alter database {shop.name} set default_transaction_read_only = on")
    error = refused(shop.access(shop.landlord), shop.asked())
    assert error.what == "the database takes no writes: default_transaction_read_only is on"
    assert f"alter database {shop.name} reset default_transaction_read_only" in error.next


def test_a_role_that_may_not_make_roles(shop: Shop) -> None:
    error = refused(shop.access(shop.clerk), shop.asked())
    assert error.what == f"{shop.clerk} may not make roles"
    assert "infraops secret set shop adminDatabaseUrl" in error.next


def test_a_role_that_may_not_let_others_create(shop: Shop) -> None:
    shop.run(f"alter role {shop.clerk} createrole")
    error = refused(shop.access(shop.clerk), shop.asked())
    assert error.what == f"{shop.clerk} may not let infraops_owner create in database {shop.name}, which belongs to {shop.landlord}"
    for statement in error.next.partition(": ")[2].removesuffix("; then: pulumi up").split("; "):
        shop.run(statement)
    assert look.at(shop.access(shop.clerk), shop.asked()).server_version
    shop.run(f"drop owned by {shop.clerk}")


@pytest.mark.parametrize("major", [16, 18])
def test_another_version_than_the_stack_asks_for(shop: Shop, major: int) -> None:
    error = refused(shop.access(shop.landlord), shop.asked(major=major))
    assert error.what == f"the server is Postgres {shop.server.running.version}, and this stack asks for {major}"
    assert "pulumi config set infraops:postgresVersion 17 --stack shop" in error.next


def test_too_old_a_version(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such server is at hand: the line is drawn above this one."""
    monkeypatch.setattr(look, "OLDEST", 18)
    assert refused(shop.access(shop.landlord), shop.asked()).what.endswith(", and the oldest that will do is 18")


def test_a_newer_version_than_was_tried_is_warned_of(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(look, "NEWEST", 16)
    look.at(shop.access(shop.landlord), shop.asked())
    assert "warning: Postgres 17" in capsys.readouterr().out


def test_a_template(shop: Shop) -> None:
    shop.run(f"alter database {shop.name} is_template true")
    try:
        assert refused(shop.access(shop.landlord), shop.asked()).what.startswith("the database is a template: ")
    finally:
        shop.run(f"alter database {shop.name} is_template false")


def test_another_programs_ledger(shop: Shop) -> None:
    shop.run(
        "create table public.schema_migrations (version varchar primary key)", f"alter table public.schema_migrations owner to {shop.clerk}"
    )
    error = refused(shop.access(shop.landlord), shop.asked())
    assert error.what.startswith(f"the database has a table public.schema_migrations already, of {shop.clerk}")
    assert look.at(shop.access(shop.landlord), shop.asked(makes_schema=False)).server_version


def test_a_pooler_in_transaction_mode(shop: Shop) -> None:
    with pgbouncer(shop.access(shop.landlord), "transaction") as pooled:
        error = refused(pooled, shop.asked())
        assert look.at(pooled, shop.asked(makes_roles=False)).server_version  # the application may come through it
    assert error.what.startswith("a pooler in transaction mode answers there")
    assert "infraops secret set shop adminDatabaseUrl" in error.next


def test_a_standby(stopped: server.Wanted) -> None:
    (stopped.folder.data / "standby.signal").touch()
    standby = TestServer(stopped, server.ensure(stopped))
    error = refused(standby.access(), dataclasses.replace(ASKED, database="postgres"))
    assert error.what == "this server is a standby: it only repeats what its primary does"
    several = changed(standby.access(), others=(Place(LOOPBACK, standby.running.port),))
    assert "target_session_attrs=read-write" in refused(several, dataclasses.replace(ASKED, database="postgres")).next


def test_roles_of_another_stack_on_the_server_are_not_taken_over(with_a_row: TestServer, capsys: pytest.CaptureFixture[str]) -> None:
    roles = "infraops_owner", "infraops_app", "infraops_readonly"
    with with_a_row.access().connect(seconds=60) as connection:
        for statement in (
            "create role landlord login createrole password 'sesame1sesame'",
            *(f"create role {role}" for role in roles),
            "create database first owner infraops_owner",
            "create database shop owner landlord",
        ):
            connection.execute(statement.encode())
    landlord, asked = with_a_row.access("landlord", "sesame1sesame", "shop"), dataclasses.replace(ASKED, database="shop")
    error = refused(landlord, asked)
    assert error.what == "infraops_owner is there already, and landlord may not alter it"
    assert "grant infraops_owner, infraops_app, infraops_readonly to landlord with admin option" in error.next

    with with_a_row.access().connect(seconds=60) as connection:
        connection.execute(f"grant {', '.join(roles)} to landlord with admin option".encode())
    with with_a_row.access(database="first").connect(seconds=60) as connection:
        connection.execute("set role infraops_owner; create schema infraops_audit")
    error = refused(landlord, asked)
    assert error.what.startswith("infraops_owner is there already, and what it owns in database first is another stack's")
    assert "infraops:roles: given" in error.next
    assert look.at(landlord, dataclasses.replace(asked, before=f"{with_a_row.running.identity}-1")).server_version  # then they are its own
    assert capsys.readouterr().out == ""

    with with_a_row.access(database="first").connect(seconds=60) as connection:
        connection.execute("reassign owned by infraops_owner to infraops_admin")
    assert look.at(landlord, asked).server_version
    assert "there already, and given new passwords: infraops_owner, infraops_app, infraops_readonly" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("expired", "have it renewed there, and look at this machine's clock"),
        ("wrong host", "name a host that it is for; hostaddr or INFRAOPS_HOSTS say where that one is: infraops secret set"),
        ("unknown ca", "give the provider's CA by sslrootcert=FILE in the URL: infraops secret set"),
    ],
)
def test_a_certificate_that_is_not_accepted(tls_server: TlsServer, kind: str, remedy: str) -> None:
    asked = dataclasses.replace(ASKED, database="postgres")
    assert look.at(tls_server.access(), asked).server_version
    with tls_server.with_certificate(kind):
        error = refused(tls_server.access(), asked)
    assert error.what.startswith("the server's certificate is not accepted: ")
    assert error.next.startswith(remedy)


def test_a_machine_that_is_not_let_in(stopped: server.Wanted) -> None:
    rules = stopped.folder.data / "pg_hba.conf"
    rules.write_text("host postgres infraops_admin 127.0.0.1/32 scram-sha-256\n")
    closed = TestServer(stopped, server.ensure(stopped))
    error = refused(closed.access("stranger", "x" * 20), dataclasses.replace(ASKED, database="postgres"))
    assert error.what.startswith("the server does not let stranger in from this machine: ")
    assert "allow this machine's address at its provider" in error.next


def test_a_full_server(shop: Shop) -> None:
    shop.run(f"alter database {shop.name} connection limit 0")
    assert refused(shop.access(shop.landlord), shop.asked()).what.startswith("the server is full: too many connections for database")


def test_what_nobody_has_words_for_is_told_as_it_is(shop: Shop) -> None:
    shop.run(f"alter database {shop.name} allow_connections false", database="postgres")
    error = refused(shop.access(shop.landlord), shop.asked())
    assert "is not currently accepting connections" in error.what
