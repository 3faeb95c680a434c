-- Retention: the oldest rows of a chain go, and an anchor keeps where the rest begins.

-- migrate:up
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

-- migrate:down
do $$
begin
    if exists (select from infraops_audit.chain_anchors) then
        raise exception 'chains were pruned, and without their anchors what is left of them no longer verifies'
            using errcode = 'object_not_in_prerequisite_state', hint = 'keep this migration';
    end if;
end
$$;
drop function infraops_audit.prune(text, text, bigint, jsonb);
drop table infraops_audit.chain_anchors;
