-- The audit schema in one file. As the database's owner: psql --file audit-schema/postgres.sql "$DIRECT_DATABASE_URL"
-- It applies what the database lacks, all of it or nothing, and keeps the same ledger as the migrations' runner.
-- Made from audit-schema/migrations by: python -m infraops_core.migrations.one_file > audit-schema/postgres.sql

\set ON_ERROR_STOP on
set client_min_messages = warning;
-- Tried again and again, for a session that waits for a lock would be waited for by the runner's CREATE INDEX CONCURRENTLY.
do $$
begin
    for try in 1..300 loop
        if pg_try_advisory_lock(452823773793) then return; end if;
        commit;
        perform pg_sleep(0.2);
    end loop;
    raise 'another runner has been applying migrations for more than 60 s';
end
$$;
begin;
select to_regclass('public.schema_migrations_under_way') is null as infraops_bare \gset
\if :infraops_bare
create table if not exists public.schema_migrations (version varchar primary key);
alter table public.schema_migrations add column if not exists checksum text;
alter table public.schema_migrations add column if not exists applied_at timestamptz;
alter table public.schema_migrations alter column applied_at set default now();
alter table public.schema_migrations add column if not exists milliseconds double precision;
alter table public.schema_migrations add column if not exists applied_by text;
alter table public.schema_migrations alter column applied_by set default current_user;
create table if not exists public.schema_migrations_under_way (version varchar primary key, direction text not null, statement integer not null, statements integer not null, checksum text not null, began_at timestamptz not null default now(), applied_by text not null default current_user);
do $$ declare given record; begin for given in select c.relname as name, r.rolname as role from pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a join pg_catalog.pg_roles r on r.oid = a.grantee where c.oid in ('public.schema_migrations'::regclass, 'public.schema_migrations_under_way'::regclass) and r.rolname in ('infraops_app', 'infraops_readonly') loop execute format('revoke all on public.%I from %I', given.name, given.role); end loop; end $$;
\endif
do $$
declare
    found text;
begin
    select string_agg(version, ', ') into found from public.schema_migrations_under_way;
    if found is not null then
        raise 'interrupted: migration %', found using hint = 'infraops migrate status says more';
    end if;
    select string_agg(version, ', ' order by version) into found from public.schema_migrations
    join (values ('20261122000000', '4a47512362f44e99f0f3361e9e85383c53053fe315121809406f704b90da7e49'),
        ('20261122060000', 'a0cd6cd1a96a24459eb1b096681747542167c4cd3f45c672c4dee955b37b43de'),
        ('20261122061000', '8700f1b491af56c7ffbdcdfa4dfe5c86b84c538bae4f0d25a82d222a5c0b46ed'),
        ('20261122062000', '167c74ae2ccd5f377b05e680194b1782a7018c1a6c044858e9b20460d623aa0c'),
        ('20261122063000', 'a9d61c8446b0656ab5576fbc03ce0e0076afca45ac372887b34b7f36b7314443')) as file (version, checksum) using (version)
    where schema_migrations.checksum <> file.checksum;
    if found is not null then
        raise 'changed after it was applied: migration %', found using hint = 'infraops migrate verify says more';
    end if;
end
$$;

-- 20261122000000_audit_events.sql
select not exists (select from public.schema_migrations where version = '20261122000000') as infraops_missing,
       clock_timestamp() as infraops_began \gset
\if :infraops_missing
reset session authorization; reset role; reset all; set client_encoding = 'UTF8'; set client_min_messages = warning; set standard_conforming_strings = on; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = '60s';

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

insert into public.schema_migrations (version, checksum, milliseconds)
values ('20261122000000', '4a47512362f44e99f0f3361e9e85383c53053fe315121809406f704b90da7e49', round(1000 * extract(epoch from clock_timestamp() - :'infraops_began'::timestamptz)::numeric, 1));
\endif

-- 20261122060000_audit_chain.sql
select not exists (select from public.schema_migrations where version = '20261122060000') as infraops_missing,
       clock_timestamp() as infraops_began \gset
\if :infraops_missing
reset session authorization; reset role; reset all; set client_encoding = 'UTF8'; set client_min_messages = warning; set standard_conforming_strings = on; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = '60s';

-- infraops:allow-file adding-not-nullable-field all rows get a hash, and until they have one nobody may write
-- infraops:allow-file constraint-missing-not-valid all rows get a hash, and until they have one nobody may write
-- infraops:allow-file disallowed-unique-constraint all rows get a hash, and until they have one nobody may write
-- infraops:allow-file require-concurrent-index-deletion all rows get a hash, and until they have one nobody may write
-- infraops:allow-file require-concurrent-index-creation all rows get a hash, and until they have one nobody may write
do $$
begin
    if pg_catalog.current_setting('server_encoding') <> 'UTF8' then
        raise exception 'the audit trail needs a database in UTF8, and this one is in %', pg_catalog.current_setting('server_encoding')
            using errcode = 'feature_not_supported', hint = 'create database infraops encoding UTF8 template template0';
    end if;
end
$$;

alter table infraops_audit.audit_events
    add column seq       bigint,
    add column prev_hash bytea,
    add column row_hash  bytea;

-- Rows from before the chain join it in the order they were recorded. Texts are hashed as UTF-8, whatever the client speaks.
do $$
declare
    spoken    text := pg_catalog.pg_client_encoding();
    event     infraops_audit.audit_events;
    tenant    text;
    position  bigint;
    last_hash bytea;
begin
    perform pg_catalog.set_config('client_encoding', 'UTF8', true);
    for event in select * from infraops_audit.audit_events order by tenant_id, recorded_at, event_id loop
        if event.tenant_id is distinct from tenant then
            tenant := event.tenant_id;
            position := 0;
            last_hash := pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex');
        end if;
        position := position + 1;
        update infraops_audit.audit_events
        set seq = position, prev_hash = last_hash, row_hash = pg_catalog.sha256(pg_catalog.record_send(row(
            'audit_events/1'::text, last_hash, event.tenant_id, event.event_id, event.incident_id, event.event_type, event.actor,
            event.action, event.resource, event.outcome, event.request_id, event.summary, event.payload, event.schema_version,
            event.occurred_at, event.recorded_at)))
        where tenant_id = event.tenant_id and event_id = event.event_id
        returning row_hash into last_hash;
    end loop;
    perform pg_catalog.set_config('client_encoding', spoken, true);
end
$$;

alter table infraops_audit.audit_events
    alter column seq set not null,
    alter column prev_hash set not null,
    alter column row_hash set not null,
    add constraint audit_events_seq unique (tenant_id, seq),
    add constraint audit_events_chain check (seq > 0 and octet_length(prev_hash) = 32 and octet_length(row_hash) = 32),
    add constraint audit_events_tenant check (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
    add constraint audit_events_names check (
        length(event_type) between 1 and 200 and length(actor) between 1 and 200 and length(action) between 1 and 200
        and length(outcome) between 1 and 200 and length(incident_id) between 1 and 200 and length(request_id) between 1 and 200),
    add constraint audit_events_texts check (length(resource) <= 2000 and length(summary) <= 10000),
    add constraint audit_events_payload check (jsonb_typeof(payload) = 'object' and octet_length(payload::text) <= 1048576),
    add constraint audit_events_version check (schema_version > 0),
    add constraint audit_events_times check (isfinite(occurred_at) and isfinite(recorded_at));

-- An incident's events are read in chain order.
drop index infraops_audit.audit_events_incident;
create index audit_events_incident on infraops_audit.audit_events (tenant_id, incident_id, seq) where incident_id is not null;

-- Texts are hashed as UTF-8, whatever the client speaks, and no function of the client's own takes part. Without sorting the
-- head is found by the index on (tenant_id, seq) even where the plan was made while the table was empty.
create function infraops_audit.chain_audit_event() returns trigger
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
    -- Whoever may make triggers here (the owner, a cutover's role) brings rows with the hashes they have elsewhere.
    if new.row_hash is not null and has_table_privilege(tg_relid, 'TRIGGER') then
        return new;
    end if;
    -- One appender of a tenant at a time, until its transaction ends. Assigned, for PERFORM takes ten times as long.
    locked := pg_advisory_xact_lock(hashtextextended(new.tenant_id, 1768842849)) is not null;
    select seq, row_hash into last_seq, last_hash
    from infraops_audit.audit_events where tenant_id = new.tenant_id order by seq desc limit 1;
    new.seq := coalesce(last_seq, 0) + 1;
    new.prev_hash := coalesce(last_hash, '\x0000000000000000000000000000000000000000000000000000000000000000');
    new.recorded_at := clock_timestamp();
    new.row_hash := sha256(record_send(row(
        'audit_events/1'::text, new.prev_hash, new.tenant_id, new.event_id, new.incident_id, new.event_type, new.actor,
        new.action, new.resource, new.outcome, new.request_id, new.summary, new.payload, new.schema_version,
        new.occurred_at, new.recorded_at)));
    return new;
end
$$;

create trigger chain before insert on infraops_audit.audit_events
    for each row execute function infraops_audit.chain_audit_event();

insert into public.schema_migrations (version, checksum, milliseconds)
values ('20261122060000', 'a0cd6cd1a96a24459eb1b096681747542167c4cd3f45c672c4dee955b37b43de', round(1000 * extract(epoch from clock_timestamp() - :'infraops_began'::timestamptz)::numeric, 1));
\endif

-- 20261122061000_incidents_runs_approvals.sql
select not exists (select from public.schema_migrations where version = '20261122061000') as infraops_missing,
       clock_timestamp() as infraops_began \gset
\if :infraops_missing
reset session authorization; reset role; reset all; set client_encoding = 'UTF8'; set client_min_messages = warning; set standard_conforming_strings = on; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = '60s';

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

insert into public.schema_migrations (version, checksum, milliseconds)
values ('20261122061000', '8700f1b491af56c7ffbdcdfa4dfe5c86b84c538bae4f0d25a82d222a5c0b46ed', round(1000 * extract(epoch from clock_timestamp() - :'infraops_began'::timestamptz)::numeric, 1));
\endif

-- 20261122062000_append_only.sql
select not exists (select from public.schema_migrations where version = '20261122062000') as infraops_missing,
       clock_timestamp() as infraops_began \gset
\if :infraops_missing
reset session authorization; reset role; reset all; set client_encoding = 'UTF8'; set client_min_messages = warning; set standard_conforming_strings = on; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = '60s';

create function infraops_audit.refuse_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    -- infraops_audit.prune() names its own transaction before it removes a chain's oldest rows.
    if tg_op = 'DELETE' and current_setting('infraops.pruning', true) = pg_current_xact_id()::text then
        return null;
    end if;
    raise exception 'the audit trail is append-only: % of %.% is refused', tg_op, tg_table_schema, tg_table_name
        using errcode = 'restrict_violation', hint = 'a correction is a row of its own; old rows go by infraops_audit.prune()';
end
$$;

create trigger append_only before update or delete or truncate on infraops_audit.audit_events
    for each statement execute function infraops_audit.refuse_change();
create trigger append_only before update or delete or truncate on infraops_audit.incident_snapshots
    for each statement execute function infraops_audit.refuse_change();
create trigger append_only before update or delete or truncate on infraops_audit.agent_runs
    for each statement execute function infraops_audit.refuse_change();
create trigger append_only before update or delete or truncate on infraops_audit.approval_requests
    for each statement execute function infraops_audit.refuse_change();

-- Enabled, not forced: dumps, copies and replication work as the owner. For every role that is given a privilege.
alter table infraops_audit.audit_events enable row level security;
alter table infraops_audit.incident_snapshots enable row level security;
alter table infraops_audit.agent_runs enable row level security;
alter table infraops_audit.approval_requests enable row level security;
create policy tenant on infraops_audit.audit_events using (tenant_id = current_setting('infraops.tenant', true));
create policy tenant on infraops_audit.incident_snapshots using (tenant_id = current_setting('infraops.tenant', true));
create policy tenant on infraops_audit.agent_runs using (tenant_id = current_setting('infraops.tenant', true));
create policy tenant on infraops_audit.approval_requests using (tenant_id = current_setting('infraops.tenant', true));

-- What the roles may do, for those that exist. Safe to call again, which whoever applies the schema does: a database made
-- by hand may get its roles later.
create function infraops_audit.grant_to_roles() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    part record;
begin
    for part in
        select t.oid::regclass as name, exists (
                select from pg_attribute a where a.attrelid = t.oid and a.attname = 'row_hash' and not a.attisdropped
            ) and t.relname <> 'chain_anchors' as appended,
            exists (select from pg_policy p where p.polrelid = t.oid and p.polname = 'readonly') as readable
        from pg_class t where t.relnamespace = 'infraops_audit'::regnamespace and t.relkind = 'r' order by t.relname
    loop
        if part.appended and exists (select from pg_roles where rolname = 'infraops_app') then
            execute format('grant select, insert on %s to infraops_app', part.name);
        end if;
        if exists (select from pg_roles where rolname = 'infraops_readonly') then
            execute format('grant select on %s to infraops_readonly', part.name);
            if not part.readable then
                execute format('create policy readonly on %s for select to infraops_readonly using (true)', part.name);
            end if;
        end if;
    end loop;
    if exists (select from pg_roles where rolname = 'infraops_app') then
        grant usage on schema infraops_audit to infraops_app;
    end if;
    if exists (select from pg_roles where rolname = 'infraops_readonly') then
        grant usage on schema infraops_audit to infraops_readonly;
    end if;
end
$$;
revoke execute on function infraops_audit.grant_to_roles() from public;
select infraops_audit.grant_to_roles();

insert into public.schema_migrations (version, checksum, milliseconds)
values ('20261122062000', '167c74ae2ccd5f377b05e680194b1782a7018c1a6c044858e9b20460d623aa0c', round(1000 * extract(epoch from clock_timestamp() - :'infraops_began'::timestamptz)::numeric, 1));
\endif

-- 20261122063000_retention.sql
select not exists (select from public.schema_migrations where version = '20261122063000') as infraops_missing,
       clock_timestamp() as infraops_began \gset
\if :infraops_missing
reset session authorization; reset role; reset all; set client_encoding = 'UTF8'; set client_min_messages = warning; set standard_conforming_strings = on; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = '60s';

create table infraops_audit.chain_anchors (
    tenant_id   text        not null,
    chain       text        not null,
    seq         bigint      not null,
    row_hash    bytea       not null,
    signed_head jsonb       not null,
    pruned_by   text        not null default current_user,
    pruned_at   timestamptz not null default clock_timestamp(),
    primary key (tenant_id, chain, seq),
    constraint chain_anchors_chain check (chain in ('audit_events', 'incident_snapshots', 'agent_runs', 'approval_requests')),
    constraint chain_anchors_hash check (seq > 0 and octet_length(row_hash) = 32),
    constraint chain_anchors_head check (jsonb_typeof(signed_head) = 'object')
);
create trigger append_only before update or delete or truncate on infraops_audit.chain_anchors
    for each statement execute function infraops_audit.refuse_change();
alter table infraops_audit.chain_anchors enable row level security;
create policy tenant on infraops_audit.chain_anchors using (tenant_id = current_setting('infraops.tenant', true));

-- Remove a tenant's rows of one chain up to a position, and leave an anchor. Returns how many rows went.
-- The newest row stays, for the next one is linked to it. signed_head is a signed document with one head, as
-- `infraops audit prune` makes it (docs/audit-heads.md): that head has to be the row at this position.
create function infraops_audit.prune(tenant text, chain text, up_to bigint, signed_head jsonb) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    head      jsonb := signed_head -> 'heads' -> 0;
    last_seq  bigint;
    last_hash bytea;
    removed   bigint;
begin
    if chain not in ('audit_events', 'incident_snapshots', 'agent_runs', 'approval_requests') then
        raise exception 'there is no chain %', chain using errcode = 'invalid_parameter_value';
    end if;
    perform pg_advisory_xact_lock(hashtextextended(tenant, 1768842849));
    execute format('select max(seq) from infraops_audit.%I where tenant_id = $1', chain) into last_seq using tenant;
    execute format('select row_hash from infraops_audit.%I where tenant_id = $1 and seq = $2', chain) into last_hash using tenant, up_to;
    if last_hash is null then
        raise exception 'tenant % has no row % in %', tenant, up_to, chain using errcode = 'invalid_parameter_value';
    end if;
    if up_to >= last_seq then
        raise exception 'row % is the newest of tenant % in %, and the newest stays', up_to, tenant, chain
            using errcode = 'invalid_parameter_value';
    end if;
    if (head ->> 'seq')::bigint is distinct from up_to or head ->> 'row_hash' is distinct from encode(last_hash, 'hex')
        or head ->> 'tenant' is distinct from tenant or head ->> 'chain' is distinct from chain
        or signed_head ->> 'format' is distinct from 'infraops-audit-anchor/1' then
        raise exception 'the signed head is not that of row % of tenant % in %', up_to, tenant, chain
            using errcode = 'invalid_parameter_value';
    end if;
    insert into infraops_audit.chain_anchors (tenant_id, chain, seq, row_hash, signed_head)
    values (tenant, chain, up_to, last_hash, signed_head);
    perform set_config('infraops.pruning', pg_current_xact_id()::text, true);
    execute format('delete from infraops_audit.%I where tenant_id = $1 and seq <= $2', chain) using tenant, up_to;
    get diagnostics removed = row_count;
    perform set_config('infraops.pruning', '', true);
    return removed;
end
$$;
revoke execute on function infraops_audit.prune(text, text, bigint, jsonb) from public;
select infraops_audit.grant_to_roles();

insert into public.schema_migrations (version, checksum, milliseconds)
values ('20261122063000', 'a9d61c8446b0656ab5576fbc03ce0e0076afca45ac372887b34b7f36b7314443', round(1000 * extract(epoch from clock_timestamp() - :'infraops_began'::timestamptz)::numeric, 1));
\endif

reset session authorization; reset role; reset all; set client_encoding = 'UTF8'; set client_min_messages = warning; set standard_conforming_strings = on; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = '60s';
do $$
begin
    -- Roles made after the schema get their grants now.
    if to_regprocedure('infraops_audit.grant_to_roles()') is not null then
        perform infraops_audit.grant_to_roles();
    end if;
end
$$;
commit;
