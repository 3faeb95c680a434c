-- migrate:up
-- infraops:allow-file prefer-bigint-over-int the version of a record's form counts to a few
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

-- migrate:down
drop table infraops_audit.audit_events;
drop schema infraops_audit;
