"""What a stack's database holds besides the audit trail: extensions, and rights on other schemas."""

import json
from typing import Any

import pytest

from infraops_core.access import Access
from infraops_core.database_url import parse
from infraops_core.tls import Tls
from tests.fix_project import Project

SHOP = {"role": "app", "schema": "shop", "tables": ["select", "insert"], "sequences": ["usage"]}


def run(project: Project, name: str, *statements: str) -> Any:
    """What the last of the statements returns, run by the role whose URL a variable holds."""
    told = project.infraops("env", "local", "--direct", "--format", "json")
    assert told.code == 0, told.text
    with Access(parse(json.loads(told.out)[name]), Tls.DISABLE).connect(seconds=30) as connection:
        for statement in statements:
            found = connection.execute(statement.encode())
        return found.fetchall() if found.description else None


def test_they_come_with_the_first_up_and_change_with_the_file(project: Project) -> None:
    project.configure(extensions=["pgcrypto", "pg_trgm"], grants=[SHOP, {"role": "readonly", "schema": "shop", "tables": ["select"]}])
    ran = project.infraops("up", "local")
    assert ran.code == 0, ran.text
    assert "Extension pgcrypto" in ran.text
    assert "Grant     app in schema shop: select, insert on tables, usage on sequences" in ran.text
    run(project, "DIRECT_DATABASE_URL", "create table shop.orders (id serial primary key, what text, secret bytea)")
    run(project, "DATABASE_URL", "insert into shop.orders (what, secret) values ('a', digest('a', 'sha256'))")

    again = project.infraops("up", "local")
    assert "8 same" in again.text, again.text
    assert "Roles" not in again.text

    project.configure(extensions=["pgcrypto"], grants=[SHOP | {"tables": ["select"]}])
    ran = project.infraops("up", "local")
    assert ran.code == 0, ran.text
    assert run(project, "DATABASE_URL", "select what from shop.orders") == [("a",)]
    allowed = "select has_table_privilege('shop.orders', 'insert'), has_table_privilege('infraops_readonly', 'shop.orders', 'select')"
    assert run(project, "DATABASE_URL", allowed) == [(False, False)]
    assert run(project, "DIRECT_DATABASE_URL", "select count(*) from pg_extension where extname in ('pgcrypto', 'pg_trgm')") == [(2,)]


@pytest.mark.parametrize("when", ["before there is a server", "later"])
def test_an_extension_that_there_is_not_is_refused_before_anything_changes(project: Project, when: str) -> None:
    if when == "later":
        project.configure()
        assert project.infraops("up", "local").code == 0
    project.configure(extensions=["pgcrypto", "vector"])
    ran = project.infraops("up", "local")
    assert ran.code == 1, ran.text
    assert "the server has no extension vector; nothing was changed" in ran.text
    assert "infraops:extensions" in ran.text
    if when == "later":
        assert run(project, "DIRECT_DATABASE_URL", "select extname::text from pg_extension") == [("plpgsql",)]
    else:
        assert not project.server().base.exists()
