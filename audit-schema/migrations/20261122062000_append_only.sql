-- Rows are added and read, never changed: by trigger here, by privilege below. And a tenant sees its own rows only.

-- migrate:up
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

-- migrate:down
do $$
declare
    role text;
begin
    -- First: without row-level security these tables would be open to every tenant.
    for role in select rolname from pg_catalog.pg_roles where rolname in ('infraops_app', 'infraops_readonly') loop
        execute pg_catalog.format(
            'revoke all on infraops_audit.incident_snapshots, infraops_audit.agent_runs, infraops_audit.approval_requests from %I', role);
    end loop;
end
$$;
drop function infraops_audit.grant_to_roles();
drop policy if exists readonly on infraops_audit.audit_events;
drop policy if exists readonly on infraops_audit.incident_snapshots;
drop policy if exists readonly on infraops_audit.agent_runs;
drop policy if exists readonly on infraops_audit.approval_requests;
drop policy tenant on infraops_audit.audit_events;
drop policy tenant on infraops_audit.incident_snapshots;
drop policy tenant on infraops_audit.agent_runs;
drop policy tenant on infraops_audit.approval_requests;
alter table infraops_audit.audit_events disable row level security;
alter table infraops_audit.incident_snapshots disable row level security;
alter table infraops_audit.agent_runs disable row level security;
alter table infraops_audit.approval_requests disable row level security;
drop trigger append_only on infraops_audit.audit_events;
drop trigger append_only on infraops_audit.incident_snapshots;
drop trigger append_only on infraops_audit.agent_runs;
drop trigger append_only on infraops_audit.approval_requests;
drop function infraops_audit.refuse_change();
