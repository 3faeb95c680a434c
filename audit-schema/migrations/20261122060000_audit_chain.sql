-- Each tenant's audit events become a hash chain: position, hash of the row before, hash of this row.
-- What is hashed and how: docs/audit-chain.md.

-- migrate:up
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

-- migrate:down
drop trigger chain on infraops_audit.audit_events;
drop function infraops_audit.chain_audit_event();
drop index infraops_audit.audit_events_incident;
create index audit_events_incident on infraops_audit.audit_events (tenant_id, incident_id, recorded_at);
alter table infraops_audit.audit_events
    drop constraint audit_events_times,
    drop constraint audit_events_version,
    drop constraint audit_events_payload,
    drop constraint audit_events_texts,
    drop constraint audit_events_names,
    drop constraint audit_events_tenant,
    drop column row_hash,
    drop column prev_hash,
    drop column seq;
