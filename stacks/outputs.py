"""What a stack exports: flat values, since one secret inside an object would make all of it secret for others."""

import pulumi

from infraops_core.settings import Settings
from stacks.database import Database, RoleUrls
from stacks.resources.schema import Schema
from stacks.resources.smoke_test import SmokeTest


def export(database: Database, urls: RoleUrls, schema: Schema, smoke: SmokeTest | None, settings: Settings) -> None:
    """Export what applications, other stacks and the `infraops` command read."""
    for name, value in {
        "DATABASE_PROVIDER": database.provider,
        "DATABASE_URL": urls.app,
        "DIRECT_DATABASE_URL": urls.owner,
        "READONLY_DATABASE_URL": urls.readonly,
        "ADMIN_DATABASE_URL": database.admin_url,
        "DATABASE_SSL_MODE": str(database.tls),
        "ENABLE_HOSTED_AUDIT_WRITES": str(database.takes_writes).lower(),
        "target": str(settings.target),
        "environment": str(settings.environment),
        "tenant": settings.tenant,
        "server_version": database.server_version,
        "schema_version": schema.version,
        "schema_checksum": schema.checksum,
    }.items():
        if value is not None:  # a URL that nobody gave
            pulumi.export(name, value)
    if smoke is not None:
        pulumi.export("tls", smoke.tls)
        pulumi.export("smoke_row_id", smoke.row_id)
        pulumi.export("smoke_proved_at", smoke.proved_at)
        pulumi.export("smoke_insert_ms", smoke.insert_ms)
        pulumi.export("smoke_read_ms", smoke.read_ms)
