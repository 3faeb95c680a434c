"""A database that somebody else runs, from its URL to one audited row, and left as it is at the end. By the real engine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infraops_core import passwords, roles
from infraops_core.database_url import parse
from tests.end_to_end.test_secrets import ArgumentWatch
from tests.fix_pgbouncer import pgbouncer
from tests.fix_postgres import TestServer
from tests.fix_project import Project, Ran
from tests.fix_terminal import on_a_terminal

STACK = "external"
INFRAOPS = str(Path(sys.executable).with_name("infraops"))


def store(project: Project, key: str, url: str, passphrase: str = "") -> Ran:
    """Pipe a URL into `infraops secret set`."""
    environment = project.environment | ({"PULUMI_CONFIG_PASSPHRASE": passphrase} if passphrase else {})
    ran = subprocess.run([INFRAOPS, "secret", "set", STACK, key], cwd=project.root, env=environment, input=url + "\n",
                         capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def say(project: Project, **settings: str) -> None:
    """Add plain settings to the stack's file, as an editor would."""
    file = project.root / f"Pulumi.{STACK}.yaml"
    lines = "".join(f"  infraops:{key}: {value}\n" for key, value in settings.items())
    file.write_text(file.read_text().replace("config:\n", f"config:\n{lines}", 1))


def outputs(project: Project) -> dict[str, str]:
    told = project.pulumi("stack", "output", "--stack", STACK, "--json", "--show-secrets")
    assert told.code == 0, told.text
    found: dict[str, str] = json.loads(told.out)
    return found


def passwords_in(found: dict[str, str]) -> set[str]:
    return {parse(value).password for name, value in found.items() if name.endswith("DATABASE_URL")}


def rows(server: TestServer) -> int:
    with server.access(database="shop").connect(seconds=30) as connection:
        row = connection.execute("select count(*) from infraops_audit.audit_events").fetchone()
    assert row is not None
    return int(row[0])


def run(server: TestServer, *statements: str, database: str = "postgres") -> None:
    with server.access(database=database).connect(seconds=60) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def provider(with_a_row: TestServer) -> TestServer:
    """Somebody else's server, with a database `shop` that holds more than audit rows, and its owner who is no superuser."""
    run(with_a_row, "create role landlord login createrole createdb", "create database shop owner landlord")
    run(with_a_row, "create table orders as select 1 as n", database="shop")
    return with_a_row


def landlord(server: TestServer, password: str) -> str:
    """The owner's URL, once that is the owner's password."""
    run(server, f"alter role landlord password '{password}'")
    return server.access("landlord", password, "shop").url.with_password()


def test_from_a_url_to_one_row_and_never_a_password_in_clear(provider: TestServer, project: Project) -> None:
    first, second = passwords.generate(), passwords.generate()
    watch = ArgumentWatch()
    watch.start()
    told = {"secret set": store(project, "databaseUrl", landlord(provider, first)), "up": project.infraops("up", STACK)}
    assert told["secret set"].code == 0, told["secret set"].text
    assert f"Stored    databaseUrl, encrypted, in Pulumi.{STACK}.yaml: postgresql://landlord:***@" in told["secret set"].err
    assert told["up"].code == 0, told["up"].text
    assert "6 create" in told["up"].err
    assert "provider      postgres" in told["up"].out
    found = outputs(project)
    assert parse(found["DATABASE_URL"]).database == "shop"
    assert found["ENABLE_HOSTED_AUDIT_WRITES"] == "true"  # the database of this machine is not a hosted one

    told["refresh"] = project.pulumi("refresh", "--yes", "--stack", STACK)
    assert told["refresh"].code == 0, told["refresh"].text
    told["preview"] = project.pulumi("preview", "--stack", STACK, "--diff", "--expect-no-changes")
    assert told["preview"].code == 0, told["preview"].text
    landlord(provider, second)  # its provider has made another password
    told["lost"] = project.infraops("up", STACK)
    assert told["lost"].code == 1
    assert "landlord is not let in with that password" in told["lost"].err
    assert "Traceback" not in told["lost"].text
    told["mended"] = store(project, "databaseUrl", provider.access("landlord", second, "shop").url.with_password())
    told["again"] = project.infraops("up", STACK)
    assert "5 same, 1 update" in told["again"].err  # the way in, and nothing that is in the database
    assert rows(provider) == 1
    watch.done.set()
    watch.join()
    told["wrong"] = store(project, "databaseUrl", provider.access("landlord", second, "shop").url.with_password(), "wrong")
    assert told["wrong"].code == 1
    assert "the passphrase at hand is not the one" in told["wrong"].err

    secrets = passwords_in(found) | {first, second, (project.state / "passphrase").read_text()}
    assert len(secrets) == 6
    files = {str(path): path.read_text(errors="replace") for path in project.root.rglob("*") if path.is_file()}
    texts = {name: ran.text for name, ran in told.items()} | files | {"arguments": "\n".join(watch.seen)}
    assert [name for name, text in texts.items() for secret in secrets if secret in text and not name.endswith("/passphrase")] == []


def test_down_forgets_and_a_later_up_takes_up_what_was_left(provider: TestServer, project: Project) -> None:
    url, asks = landlord(provider, passwords.generate()), f"databaseUrl of stack {STACK}: "
    code, shown = on_a_terminal([INFRAOPS, "secret", "set", STACK, "databaseUrl"], project.environment, url + "\n", project.root, asks=asks)
    assert code == 0, shown
    assert parse(url).password not in shown
    assert project.infraops("up", STACK).code == 0
    before = passwords_in(outputs(project))

    code, shown = on_a_terminal([INFRAOPS, "down", STACK], project.environment, "n\n", project.root, asks="[y/N]: ")
    assert code == 130, shown
    assert f"Forget the database of stack {STACK}? It stays as it is" in shown
    code, shown = on_a_terminal([INFRAOPS, "down", STACK], project.environment, "y\n", project.root, asks="[y/N]: ")
    assert code == 0, shown
    for line in (
        "/shop as it is; of this stack remains in it:",
        "schema infraops_audit: 1 row",
        "roles infraops_owner, infraops_app, infraops_readonly",
        f"drop role {', '.join((roles.OWNER, roles.APP, roles.READONLY))};",
    ):
        assert line in shown
    assert rows(provider) == 1

    again = project.infraops("up", STACK)
    assert again.code == 0, again.text
    assert "row 2 of its chain" in again.err
    assert "warning: there already, and given new passwords: infraops_owner, infraops_app, infraops_readonly" in again.err
    after = outputs(project)
    assert passwords_in(after) & before == {parse(after["ADMIN_DATABASE_URL"]).password}

    run(provider, "drop database shop with (force)", "create database shop owner landlord")  # restored from nowhere, by its provider
    anew = project.infraops("up", STACK)
    assert anew.code == 0, anew.text
    assert "warning: shop is another database than before" in anew.err
    assert "2 same, 4 update" in anew.err
    assert "there already" not in anew.err  # the roles are this stack's own
    assert rows(provider) == 1


def test_the_application_by_a_pooler_and_the_rest_direct(provider: TestServer, project: Project) -> None:
    admin = provider.access(database="postgres")
    scram = f"auth_type = scram-sha-256\nauth_user = {admin.url.user}\n"
    with pgbouncer(provider.access(database="shop"), "transaction", more=scram) as pooled:
        store(project, "databaseUrl", pooled.url.with_password() + "&pgbouncer=true")
        store(project, "adminDatabaseUrl", admin.url.with_password())
        say(project, schema="apply", hostedWrites="false", postgresVersion="17")
        up = project.infraops("up", STACK)
        assert up.code == 0, up.text
        found = outputs(project)
        assert "6 same" in project.infraops("up", STACK).err
        smoke = project.infraops("smoke", STACK)
        assert smoke.code == 0, smoke.text
    app, owner = parse(found["DATABASE_URL"]), parse(found["DIRECT_DATABASE_URL"])
    assert (app.port, app.foreign) == (pooled.url.port, (("pgbouncer", "true"),))
    assert (owner.port, owner.foreign, owner.database) == (admin.url.port, (), "shop")
    assert parse(found["READONLY_DATABASE_URL"]).port == admin.url.port
    assert parse(found["ADMIN_DATABASE_URL"]).database == "postgres"
    assert found["ENABLE_HOSTED_AUDIT_WRITES"] == "false"
    assert rows(provider) == 2


def test_roles_that_somebody_else_made(provider: TestServer, project: Project) -> None:
    """By the SQL of docs/external.md."""
    page = (project.root / "docs" / "external.md").read_text()
    by_hand = page.partition("```sql\n")[2].partition("```")[0].replace("DATABASE", "shop")
    made = {role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}
    statements = [statement.strip() for statement in by_hand.split(";") if statement.strip()]
    for role, password in made.items():
        statements.append(f"alter role {role} password '{password}'")
    run(provider, *statements, database="shop")
    store(project, "databaseUrl", provider.access(roles.APP, made[roles.APP], "shop").url.with_password())
    store(project, "directDatabaseUrl", provider.access(roles.OWNER, made[roles.OWNER], "shop").url.with_password())
    say(project, roles="given")
    up = project.infraops("up", STACK)
    assert up.code == 0, up.text
    assert "4 create" in up.err  # no passwords, no roles
    assert {"ADMIN_DATABASE_URL", "READONLY_DATABASE_URL"} & set(outputs(project)) == set()
    down = project.infraops("down", STACK, "--yes")
    assert down.code == 0, down.text
    assert "schema infraops_audit: 1 row" in down.err
    assert "drop role" not in down.err


def test_by_hand_a_secret_will_do_and_a_url_in_clear_will_not(provider: TestServer, project: Project) -> None:
    password = passwords.generate()
    environment = project.engine_environment()
    config = ["pulumi", "--non-interactive", "config", "set", "--stack", STACK, "infraops:databaseUrl"]

    def typed(command: list[str], text: str) -> Ran:
        ran = subprocess.run(
            command, cwd=project.root, env=environment, input=text, capture_output=True, text=True, timeout=60, check=False
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    assert project.pulumi("stack", "init", STACK).code == 0
    assert typed([*config, "--plaintext"], landlord(provider, password)).code == 0
    for refused in (project.pulumi("preview", "--stack", STACK), project.infraops("up", STACK)):
        assert refused.code != 0
        assert "is a secret, and here in clear: take it out, then: infraops secret set external databaseUrl" in refused.text
        assert password not in refused.text
    assert typed([*config, "--secret"], landlord(provider, password)).code == 0
    up = project.pulumi("up", "--yes", "--stack", STACK)
    assert up.code == 0, up.text
    assert "6 created" in up.out
    down = project.pulumi("destroy", "--yes", "--stack", STACK)
    assert "schema infraops_audit: 1 row" in down.text
    assert rows(provider) == 1
