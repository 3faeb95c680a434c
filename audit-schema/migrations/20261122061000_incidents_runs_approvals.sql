-- Incident snapshots, agent runs and approval requests, each a chain of its own beside the audit events.

-- migrate:up
-- infraops:allow-file prefer-bigint-over-int the version of a record's form counts to a few
create table infraops_audit.incident_snapshots (
    tenant_id      text        not null default current_setting('infraops.tenant', true),
    event_id       uuid        not null,
    incident_id    text        not null,
    snapshot_type  text        not null,
    actor          text        not null,
    summary        text        not null,
    payload        jsonb       not null default '{}',
    schema_version integer     not null default 1,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null default clock_timestamp(),
    seq            bigint      not null,
    prev_hash      bytea       not null,
    row_hash       bytea       not null,
    primary key (tenant_id, event_id),
    constraint incident_snapshots_seq unique (tenant_id, seq),
    constraint incident_snapshots_chain check (seq > 0 and octet_length(prev_hash) = 32 and octet_length(row_hash) = 32),
    constraint incident_snapshots_tenant check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
    constraint incident_snapshots_names check (
        length(incident_id) between 1 and 200 and length(snapshot_type) between 1 and 200 and length(actor) between 1 and 200),
    constraint incident_snapshots_texts check (length(summary) <= 10000),
    constraint incident_snapshots_payload check (jsonb_typeof(payload) = 'object' and octet_length(payload::text) <= 1048576),
    constraint incident_snapshots_version check (schema_version > 0),
    constraint incident_snapshots_times check (isfinite(occurred_at) and isfinite(recorded_at))
);
create index incident_snapshots_incident on infraops_audit.incident_snapshots (tenant_id, incident_id, seq);

-- A run is as many rows as it has news: started, then how it ended.
create table infraops_audit.agent_runs (
    tenant_id      text        not null default current_setting('infraops.tenant', true),
    event_id       uuid        not null,
    run_id         uuid        not null,
    agent          text        not null,
    status         text        not null,
    incident_id    text,
    summary        text        not null,
    payload        jsonb       not null default '{}',
    schema_version integer     not null default 1,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null default clock_timestamp(),
    seq            bigint      not null,
    prev_hash      bytea       not null,
    row_hash       bytea       not null,
    primary key (tenant_id, event_id),
    constraint agent_runs_seq unique (tenant_id, seq),
    constraint agent_runs_chain check (seq > 0 and octet_length(prev_hash) = 32 and octet_length(row_hash) = 32),
    constraint agent_runs_tenant check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
    constraint agent_runs_status check (status in ('started', 'succeeded', 'failed', 'cancelled')),
    constraint agent_runs_names check (length(agent) between 1 and 200 and length(incident_id) between 1 and 200),
    constraint agent_runs_texts check (length(summary) <= 10000),
    constraint agent_runs_payload check (jsonb_typeof(payload) = 'object' and octet_length(payload::text) <= 1048576),
    constraint agent_runs_version check (schema_version > 0),
    constraint agent_runs_times check (isfinite(occurred_at) and isfinite(recorded_at))
);
create index agent_runs_run on infraops_audit.agent_runs (tenant_id, run_id, seq);

-- An approval is requested once and decided at most once, each a row.
create table infraops_audit.approval_requests (
    tenant_id      text        not null default current_setting('infraops.tenant', true),
    event_id       uuid        not null,
    approval_id    uuid        not null,
    status         text        not null,
    actor          text        not null,
    action         text        not null,
    incident_id    text,
    summary        text        not null,
    payload        jsonb       not null default '{}',
    schema_version integer     not null default 1,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null default clock_timestamp(),
    seq            bigint      not null,
    prev_hash      bytea       not null,
    row_hash       bytea       not null,
    primary key (tenant_id, event_id),
    constraint approval_requests_seq unique (tenant_id, seq),
    constraint approval_requests_chain check (seq > 0 and octet_length(prev_hash) = 32 and octet_length(row_hash) = 32),
    constraint approval_requests_tenant check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
    constraint approval_requests_status check (status in ('requested', 'approved', 'rejected', 'expired')),
    constraint approval_requests_names check (
        length(actor) between 1 and 200 and length(action) between 1 and 200 and length(incident_id) between 1 and 200),
    constraint approval_requests_texts check (length(summary) <= 10000),
    constraint approval_requests_payload check (jsonb_typeof(payload) = 'object' and octet_length(payload::text) <= 1048576),
    constraint approval_requests_version check (schema_version > 0),
    constraint approval_requests_times check (isfinite(occurred_at) and isfinite(recorded_at))
);
create unique index approval_requests_requested_once on infraops_audit.approval_requests (tenant_id, approval_id)
    where status = 'requested';
create unique index approval_requests_decided_once on infraops_audit.approval_requests (tenant_id, approval_id)
    where status <> 'requested';

create function infraops_audit.chain_incident_snapshot() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set client_encoding = 'UTF8'
set enable_sort = off
as $$
declare
    locked    boolean;
    last_seq  bigint;
    last_hash bytea;
begin
    if new.row_hash is not null and has_table_privilege(tg_relid, 'TRIGGER') then
        return new;
    end if;
    locked := pg_advisory_xact_lock(hashtextextended(new.tenant_id, 1768842849)) is not null;
    select seq, row_hash into last_seq, last_hash
    from infraops_audit.incident_snapshots where tenant_id = new.tenant_id order by seq desc limit 1;
    new.seq := coalesce(last_seq, 0) + 1;
    new.prev_hash := coalesce(last_hash, '\x0000000000000000000000000000000000000000000000000000000000000000');
    new.recorded_at := clock_timestamp();
    new.row_hash := sha256(record_send(row(
        'incident_snapshots/1'::text, new.prev_hash, new.tenant_id, new.event_id, new.incident_id, new.snapshot_type, new.actor,
        new.summary, new.payload, new.schema_version, new.occurred_at, new.recorded_at)));
    return new;
end
$$;

create function infraops_audit.chain_agent_run() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set client_encoding = 'UTF8'
set enable_sort = off
as $$
declare
    locked    boolean;
    last_seq  bigint;
    last_hash bytea;
begin
    if new.row_hash is not null and has_table_privilege(tg_relid, 'TRIGGER') then
        return new;
    end if;
    locked := pg_advisory_xact_lock(hashtextextended(new.tenant_id, 1768842849)) is not null;
    select seq, row_hash into last_seq, last_hash
    from infraops_audit.agent_runs where tenant_id = new.tenant_id order by seq desc limit 1;
    new.seq := coalesce(last_seq, 0) + 1;
    new.prev_hash := coalesce(last_hash, '\x0000000000000000000000000000000000000000000000000000000000000000');
    new.recorded_at := clock_timestamp();
    new.row_hash := sha256(record_send(row(
        'agent_runs/1'::text, new.prev_hash, new.tenant_id, new.event_id, new.run_id, new.agent, new.status, new.incident_id,
        new.summary, new.payload, new.schema_version, new.occurred_at, new.recorded_at)));
    return new;
end
$$;

create function infraops_audit.chain_approval_request() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
set client_encoding = 'UTF8'
set enable_sort = off
as $$
declare
    locked    boolean;
    last_seq  bigint;
    last_hash bytea;
begin
    if new.row_hash is not null and has_table_privilege(tg_relid, 'TRIGGER') then
        return new;
    end if;
    locked := pg_advisory_xact_lock(hashtextextended(new.tenant_id, 1768842849)) is not null;
    if new.status <> 'requested' and not exists (
        select from infraops_audit.approval_requests
        where tenant_id = new.tenant_id and approval_id = new.approval_id and status = 'requested'
    ) then
        raise exception 'approval % was never requested', new.approval_id
            using errcode = 'check_violation', table = tg_table_name, constraint = 'approval_requests_requested_first';
    end if;
    select seq, row_hash into last_seq, last_hash
    from infraops_audit.approval_requests where tenant_id = new.tenant_id order by seq desc limit 1;
    new.seq := coalesce(last_seq, 0) + 1;
    new.prev_hash := coalesce(last_hash, '\x0000000000000000000000000000000000000000000000000000000000000000');
    new.recorded_at := clock_timestamp();
    new.row_hash := sha256(record_send(row(
        'approval_requests/1'::text, new.prev_hash, new.tenant_id, new.event_id, new.approval_id, new.status, new.actor, new.action,
        new.incident_id, new.summary, new.payload, new.schema_version, new.occurred_at, new.recorded_at)));
    return new;
end
$$;

create trigger chain before insert on infraops_audit.incident_snapshots
    for each row execute function infraops_audit.chain_incident_snapshot();
create trigger chain before insert on infraops_audit.agent_runs
    for each row execute function infraops_audit.chain_agent_run();
create trigger chain before insert on infraops_audit.approval_requests
    for each row execute function infraops_audit.chain_approval_request();

-- migrate:down
drop table infraops_audit.approval_requests;
drop table infraops_audit.agent_runs;
drop table infraops_audit.incident_snapshots;
drop function infraops_audit.chain_approval_request();
drop function infraops_audit.chain_agent_run();
drop function infraops_audit.chain_incident_snapshot();
