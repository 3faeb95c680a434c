"""Target `external`: a Postgres that somebody else runs, by its URL."""

from pulumi import Output, ResourceOptions

from infraops_core.database_url import DatabaseUrl
from infraops_core.settings import ExternalSettings, RolesFrom, SchemaMode
from infraops_core.settings.external import ADMIN_URL, DIRECT_URL, URL
from stacks.database import Database, RoleUrls
from stacks.resources.external import ExternalDatabase


def provision(settings: ExternalSettings) -> Database:
    """The database that `infraops:databaseUrl` names, looked at; it is neither made nor ever deleted.

    Cost: what its provider asks for it already.
    """
    like, tls = settings.like, settings.tls
    makes_roles = settings.roles is RolesFrom.MAKE
    key, way_in = _way_in(settings)
    looked = ExternalDatabase(
        "external-database",
        access={"url": _secret(way_in), "tls": str(tls)},
        setting=key,
        stack=settings.stack,
        database=like.direct.database,
        makes_roles=makes_roles,
        makes_schema=settings.schema is SchemaMode.APPLY,
        postgres_version=settings.postgres_version,
        opts=ResourceOptions(protect=settings.protect),
    )
    return Database(
        provider=settings.provider.name,
        hosted=settings.provider.hosted,
        tls=tls,
        identity=looked.identity,
        host=Output.from_input(like.direct.host),
        port=Output.from_input(like.direct.port),
        server_version=looked.server_version,
        admin_url=_secret(settings.admin) if settings.admin else None,
        roles=None if makes_roles else _given(settings, looked),
        name=like.direct.database,
        is_ours=False,
        like=like,
        writes_enabled=settings.writes_enabled,
    )


def _way_in(settings: ExternalSettings) -> tuple[str, DatabaseUrl]:
    """The URL to look through, and the setting it comes from: the one that may do most."""
    assert settings.database_url is not None
    if settings.admin is not None:
        return ADMIN_URL if settings.admin_database_url else URL, settings.admin
    if settings.direct_database_url is not None:
        return DIRECT_URL, settings.direct_database_url
    return URL, settings.database_url


def _given(settings: ExternalSettings, looked: ExternalDatabase) -> RoleUrls:
    assert settings.database_url is not None
    return RoleUrls(
        owner=_secret(settings.direct_database_url) if settings.direct_database_url else None,
        app=_secret(settings.database_url),
        readonly=_secret(settings.readonly_database_url) if settings.readonly_database_url else None,
        made_by=looked,
    )


def _secret(url: DatabaseUrl) -> Output[str]:
    return Output.secret(url.with_password())
