"""A chain goes with its rows: by replication, by dump and restore, and by a data-only copy of a plain owner's."""

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infraops_core import roles
from infraops_core.access import Access
from infraops_core.audit.chain.record import CHAINS
from infraops_core.audit.chain.verify import Verdict, one_moment, verify
from infraops_core.servers.embedded import binaries
from tests.fix_postgres import AuditDatabase, wait_until
from tests.infraops_core.audit import rows

TABLES = [chain.table for chain in CHAINS]


@pytest.fixture
def source(audit_database: AuditDatabase) -> AuditDatabase:
    """A database whose schema a plain role owns, with rows of two tenants."""
    rows.apply_schema(audit_database.access(roles.OWNER))
    with audit_database.access(roles.OWNER).connect(seconds=60) as owner:
        assert owner.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() == (False,)
        for chain in CHAINS:
            rows.append(owner, chain, "alpha", 20)
            rows.append(owner, chain, "beta", 5)
    return audit_database


@pytest.fixture
def destination(source: AuditDatabase) -> Access:
    """Another database of the same owner's, with the schema and no row."""
    with source.server.access().connect(seconds=60) as admin:
        admin.execute(f"create database elsewhere owner {roles.OWNER}".encode())
    access = source.access(roles.OWNER)
    access = dataclasses.replace(access, url=dataclasses.replace(access.url, database="elsewhere"))
    rows.apply_schema(access)
    return access


def run(program: str, *arguments: str, access: Access) -> None:
    url = access.url
    environment = os.environ | {"PGHOST": url.host, "PGPORT": str(url.port), "PGUSER": url.user, "PGPASSWORD": url.password,
                                "PGDATABASE": url.database}  # fmt: skip
    folder = binaries.find([17], None).folder
    ran = subprocess.run([folder / program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr


def verdict(access: Access) -> Verdict:
    with access.connect(seconds=60) as connection, one_moment(connection):
        return verify(connection)


def hashes(access: Access) -> list[object]:
    with access.connect(seconds=60) as connection:
        return [connection.execute(f"select tenant_id, seq, prev_hash, row_hash from infraops_audit.{table} order by 1, 2").fetchall()
                for table in TABLES]  # fmt: skip


def appendable(access: Access) -> None:
    """What comes after the rows that were brought is chained to them."""
    with access.connect(seconds=60) as owner:
        for chain in CHAINS:
            rows.append(owner, chain, "alpha", 2)
    after = verdict(access)
    assert after.findings == ()
    assert after.rows == len(CHAINS) * 27


def test_dump_and_restore(source: AuditDatabase, tmp_path: Path) -> None:
    owner = source.access(roles.OWNER)
    run("pg_dump", "--format=custom", f"--file={tmp_path / 'd'}", access=owner)
    with source.server.access().connect(seconds=60) as admin:
        admin.execute(f"create database elsewhere owner {roles.OWNER}".encode())
    restored = dataclasses.replace(owner, url=dataclasses.replace(owner.url, database="elsewhere"))
    run("pg_restore", "--exit-on-error", "--no-comments", "--dbname=elsewhere", str(tmp_path / "d"), access=restored)
    assert hashes(restored) == hashes(owner)
    appendable(restored)


def test_data_only_copy_by_an_owner_who_is_no_superuser(source: AuditDatabase, destination: Access, tmp_path: Path) -> None:
    owner = source.access(roles.OWNER)
    run("pg_dump", "--data-only", "--schema=infraops_audit", f"--file={tmp_path / 'd'}", access=owner)
    run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={tmp_path / 'd'}", access=destination)
    assert hashes(destination) == hashes(owner)
    appendable(destination)


def test_logical_replication(source: AuditDatabase, destination: Access) -> None:
    owner = source.access(roles.OWNER)
    with owner.connect(seconds=60) as connection:
        tables = ", ".join(f"infraops_audit.{table}" for table in TABLES)
        connection.execute(f"create publication trail for table {tables}".encode())
    admin = source.server.access()
    here = dataclasses.replace(admin, url=dataclasses.replace(admin.url, database="elsewhere"))
    there = dataclasses.replace(admin.url, database=roles.DATABASE)
    with dataclasses.replace(admin, url=there).connect(seconds=60) as connection:
        connection.execute("select pg_create_logical_replication_slot('trail', 'pgoutput')")
    with here.connect(seconds=60) as connection:
        # Both databases are on one server, where making the slot would wait for this very transaction.
        connection.execute(f"create subscription trail connection '{there.with_password()}' publication trail "
                           "with (slot_name = trail, create_slot = false)".encode())  # fmt: skip
    with owner.connect(seconds=60) as connection:
        for chain in CHAINS:
            rows.append(connection, chain, "beta", 3)
    wait_until(lambda: verdict(destination).rows == len(CHAINS) * 28, "the rows on the other side")
    assert hashes(destination) == hashes(owner)
    assert verdict(destination).findings == ()
    with here.connect(seconds=60) as connection:
        connection.execute("drop subscription trail")
    with destination.connect(seconds=60) as connection:
        for chain in CHAINS:
            rows.append(connection, chain, "alpha", 1)
    assert verdict(destination).findings == ()


def test_the_apps_hashes_are_overwritten_and_the_owners_are_kept(source: AuditDatabase) -> None:
    forged: dict[str, Any] = {"seq": 99, "prev_hash": bytes(32), "row_hash": b"x" * 32, "recorded_at": "2000-01-01T00:00:00Z"}
    with source.access(roles.APP).connect(seconds=60) as app:
        for chain in CHAINS:
            (wrote,) = rows.append(app, chain, "default", **forged)
            found = app.execute(
                f"select seq, row_hash, recorded_at > '2020-01-01' from infraops_audit.{chain.table} where event_id = %s".encode(), [wrote]
            ).fetchone()
            assert found is not None
            assert (found[0], found[2]) == (1, True)
            assert bytes(found[1]) != forged["row_hash"]
    assert verdict(source.access(roles.OWNER)).findings == ()
    with source.access(roles.OWNER).connect(seconds=60) as owner:
        (wrote,) = rows.append(owner, CHAINS[0], "alpha", **forged)
        assert owner.execute("select seq, row_hash from infraops_audit.audit_events where event_id = %s", [wrote]).fetchone() == (
            99,
            b"x" * 32,
        )
