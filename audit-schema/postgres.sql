-- The audit schema in one file. As the database's owner: psql --file audit-schema/postgres.sql "$DIRECT_DATABASE_URL"
-- It applies what the database lacks, all of it or nothing, and keeps the same ledger as the migrations' runner.
-- Made from audit-schema/migrations by: python -m infraops_core.migrations.one_file > audit-schema/postgres.sql

\set ON_ERROR_STOP on
begin;
set local client_min_messages = warning;
set local lock_timeout = '60s';
do $$ begin perform pg_advisory_xact_lock(452823773793); end $$;
create table if not exists public.schema_migrations (version varchar primary key);

-- 20261122000000_audit_events.sql
select not exists (select from public.schema_migrations where version = '20261122000000') as missing \gset
\if :missing

create schema if not exists infraops_audit;

create table infraops_audit.audit_events (
    tenant_id      text        not null default current_setting('infraops.tenant', true),
    event_id       uuid        not null,
    incident_id    text,
    event_type     text        not null,
    actor          text        not null,
    action         text        not null,
    resource       text,
    outcome        text        not null,
    request_id     text,
    summary        text        not null,
    payload        jsonb       not null default '{}',
    schema_version integer     not null default 1,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null default clock_timestamp(),
    primary key (tenant_id, event_id)
);

create index audit_events_recorded_at on infraops_audit.audit_events (recorded_at desc);
create index audit_events_incident on infraops_audit.audit_events (tenant_id, incident_id, recorded_at);

do $$
begin
    -- The roles are made before the schema by those who provision; a database made by hand may lack them.
    if exists (select from pg_roles where rolname = 'infraops_app') then
        grant usage on schema infraops_audit to infraops_app;
        grant select, insert on infraops_audit.audit_events to infraops_app;
    end if;
    if exists (select from pg_roles where rolname = 'infraops_readonly') then
        grant usage on schema infraops_audit to infraops_readonly;
        grant select on infraops_audit.audit_events to infraops_readonly;
    end if;
end
$$;

insert into public.schema_migrations (version) values ('20261122000000');
\endif

commit;
