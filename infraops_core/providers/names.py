"""Which extensions every provider has, and which roles and schemas only one of them knows.

The lists are on the careful side: an extension is here when Amazon RDS and Aurora, Neon, Supabase, Google Cloud SQL
and Azure have it for Postgres 16 and 17. Where to look before one is added: "Extensions supported" in Amazon RDS for
PostgreSQL's release notes, "Supported Postgres extensions" in Neon's docs, "Extensions" in Supabase's, "Configure
PostgreSQL extensions" in Cloud SQL's, "Extensions by name" in Azure's.
"""

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
