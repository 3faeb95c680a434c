"""Which extensions every provider has, and which names only one of them knows.

The lists are on the careful side: an extension is here when Amazon RDS and Aurora, Neon, Supabase, Google Cloud SQL
and Azure have it for Postgres 16 and 17. Where to look before one is added: "Extensions supported" in Amazon RDS for
PostgreSQL's release notes, "Supported Postgres extensions" in Neon's docs, "Extensions" in Supabase's, "Configure
PostgreSQL extensions" in Cloud SQL's, "Extensions by name" in Azure's.
"""

import re

EXTENSIONS = frozenset(
    {
        "btree_gin", "btree_gist", "citext", "cube", "dict_int", "earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn", "ltree",
        "pg_stat_statements", "pg_trgm", "pgcrypto", "plpgsql", "postgres_fdw", "tablefunc", "unaccent", "uuid-ossp", "vector",
    }
)  # fmt: skip

ROLES = frozenset(
    {
        "rds_superuser", "rds_iam", "rds_replication", "rds_password", "rdsadmin", "rds_ad", "rds_reserved",  # Amazon
        "neon_superuser", "cloud_admin", "neondb_owner", "web_access",  # Neon
        "supabase_admin", "supabase_auth_admin", "supabase_storage_admin", "supabase_functions_admin", "supabase_realtime_admin",
        "supabase_read_only_user", "supabase_replication_admin", "anon", "authenticated", "authenticator", "service_role", "dashboard_user",
        "pgbouncer", "pgsodium_keyholder",  # Supabase
        "cloudsqlsuperuser", "cloudsqladmin", "cloudsqlagent", "cloudsqlreplica", "cloudsqliamuser", "cloudsqliamserviceaccount",
        "alloydbsuperuser", "alloydbiamuser",  # Google
        "azure_pg_admin", "azure_superuser", "azuresu", "azure_ad_user",  # Microsoft
        "doadmin", "_doadmin", "doadmin_group", "avnadmin", "tsdbadmin",  # DigitalOcean, Aiven, Timescale
    }
)  # fmt: skip

SCHEMAS = frozenset(
    {
        "aws_commons", "aws_s3", "aws_lambda", "aws_ml", "aws_sqs", "aws_oracle_ext", "rds_tools", "rdsadmin", "apg_plan_mgmt",  # Amazon
        "neon", "neon_auth", "neon_migration", "pgrst",  # Neon
        "auth", "storage", "realtime", "vault", "graphql", "graphql_public", "net", "supabase_functions", "supabase_migrations",  # Supabase
        "google_ml", "google_ml_integration", "google_columnar_engine", "cloudsqladmin",  # Google
        "azure", "azure_ai", "azure_cognitive", "azure_openai", "azure_storage", "azure_local_ai",  # Microsoft
        "cron", "partman", "pgsodium",  # extensions that not all of them have
    }
)  # fmt: skip

# What a server of none of these providers says when it meets such a name (PostgreSQL 16 to 18, untranslated).
_ROLE = re.compile(r'^role "(?P<name>[^"]+)" does not exist$')
_MISSING = re.compile(
    r'^(?:schema "(?P<schema>[^"]+)"|(?:function|procedure|routine|type|relation|aggregate|operator) "?(?P<name>[A-Za-z_][\w$]*)\.\S.*) '
    r"does not exist$"
)
_NO_EXTENSION = re.compile(r'^(?:extension "(?P<name>[^"]+)" is not available|language "(?P<language>[^"]+)" does not exist)$')
_NO_RIGHT = re.compile(r'^permission denied to create extension "(?P<name>[^"]+)"$')

_NO_TABLESPACE = re.compile(r'^tablespace "(?P<name>[^"]+)" does not exist$')


def missing_role(said: str) -> str | None:
    """The provider's role that the server does not know."""
    match = _ROLE.match(said)
    return match["name"] if match and match["name"] in ROLES else None


def missing_schema(said: str) -> str | None:
    """The provider's schema that the server does not know."""
    match = _MISSING.match(said)
    name = (match["schema"] or match["name"]) if match else None
    return name if name in SCHEMAS else None


def missing_extension(said: str) -> str | None:
    """The extension that this server has not; a language is one as well."""
    match = _NO_EXTENSION.match(said)
    return (match["name"] or match["language"]) if match else None


def missing_tablespace(said: str) -> str | None:
    """The tablespace that the server has not, as no provider's will."""
    match = _NO_TABLESPACE.match(said)
    return match["name"] if match else None


def refused_extension(said: str) -> str | None:
    """The extension that only a superuser may make."""
    match = _NO_RIGHT.match(said)
    return match["name"] if match else None
