"""Roles, schema and smoke test on the oldest and the newest Postgres that a database by URL may be."""

import dataclasses

import pytest

from infraops_core import passwords, roles, schema, smoke
from infraops_core.access import Access
from infraops_core.settings import Environment
from infraops_core.settings.grants import Grant

ROLES = (roles.OWNER, roles.APP, roles.READONLY)


@pytest.mark.parametrize("version", [15, 18])
@pytest.mark.parametrize("plain_admin", [False, True], ids=["superuser", "no superuser"])
def test_from_roles_to_the_proved_row(request: pytest.FixtureRequest, version: int, plain_admin: bool) -> None:
    superuser: Access = request.getfixturevalue(f"postgres_{version}")
    run(superuser, f"drop database if exists {roles.DATABASE} with (force)", f"drop role if exists {', '.join(ROLES)}")
    admin = superuser
    if plain_admin:
        run(superuser, "create role plain_admin login createrole createdb password 'plain'")
        admin = Access(dataclasses.replace(superuser.url, user="plain_admin", password="plain"), superuser.tls)
    asked = roles.RoleSettings(
        {role: passwords.generate() for role in ROLES}, "acme", 5, grants=(Grant("app", "shop", ("select", "insert"), ("usage",)),)
    )
    roles.create(admin, asked)
    schema.bring(of_role(superuser, roles.OWNER, asked), "apply", Environment.DEV)
    details = {"stack": "test", "schema_checksum": "", "rehearsal": ""}
    assert smoke.run(of_role(superuser, roles.APP, asked), details, tenant="acme").seq == 1
    with of_role(superuser, roles.OWNER, asked).connect(seconds=30) as connection:
        assert connection.execute("select tenant_id from infraops_audit.audit_events").fetchall() == [("acme",)]
    run(superuser, f"drop database {roles.DATABASE} with (force)", f"drop role {', '.join(ROLES)}")
    if plain_admin:
        run(superuser, "drop role plain_admin")


def run(access: Access, *statements: str) -> None:
    with access.connect(seconds=30) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def of_role(admin: Access, role: str, settings: roles.RoleSettings) -> Access:
    url = dataclasses.replace(admin.url, user=role, password=settings.passwords[role], database=settings.database)
    return Access(url, admin.tls)
