"""From a database to its proof: the steps that every target shares."""

from pulumi import ResourceOptions, log

from infraops_core import schema as audit_schema
from infraops_core.roles import APP, OWNER, READONLY
from infraops_core.settings import SchemaMode, Settings
from stacks.database import Database, RoleUrls
from stacks.resources.passwords import Passwords
from stacks.resources.roles import Roles
from stacks.resources.schema import Schema
from stacks.resources.smoke_test import SmokeTest


def roles(database: Database, settings: Settings) -> RoleUrls:
    """The URLs of `owner`, `app` and `readonly`: the target's own, or of roles made by SQL."""
    if database.roles is not None:
        return database.roles
    assert database.admin_url is not None
    names = [OWNER, APP, READONLY]
    passwords = Passwords("role-passwords", names, opts=ResourceOptions(protect=settings.protect))
    made = Roles(
        "roles",
        access=database.access(database.admin_url),
        identity=database.identity,
        passwords={name: passwords.of(name) for name in names},
        passwords_id=passwords.id,
        tenant=settings.tenant,
        connection_limit=settings.connection_limit,
        extensions=settings.extensions,
        grants=settings.grants,
        database=database.name,
        owns_database=database.is_ours,
        opts=ResourceOptions(protect=settings.protect),
    )
    owner, app, readonly = (database.url(name, passwords.of(name), pooled=name == APP) for name in names)
    return RoleUrls(owner, app, readonly, made_by=made)


def schema(database: Database, urls: RoleUrls, settings: Settings) -> Schema:
    """The audit schema, applied as `owner`; where nobody gave the owner's URL, settings have it that nobody looks."""
    return Schema(
        "schema",
        access=database.access(urls.app if urls.owner is None else urls.owner),
        identity=database.identity,
        folder_checksum=audit_schema.wanted().checksum,
        mode=str(settings.schema),
        environment=str(settings.environment),
        opts=ResourceOptions(depends_on=[urls.made_by], protect=settings.protect),
    )


def smoke_test(database: Database, urls: RoleUrls, after: Schema, settings: Settings) -> SmokeTest | None:
    """One audit row, written and proved as `app`; none where nobody here knows of a schema to write it to."""
    if settings.schema is SchemaMode.OFF:
        log.warn(f"infraops:schema is off: no smoke test; once the schema is there, run: infraops smoke {settings.stack}")
        return None
    return SmokeTest(
        "smoke-test",
        access=database.access(urls.app),
        identity=database.identity,
        endpoint=database.endpoint,
        schema_checksum=after.checksum,
        rehearsal=settings.rehearsal,
        stack=settings.stack,
        tenant=settings.tenant,
        opts=ResourceOptions(depends_on=[after], protect=settings.protect),
    )
