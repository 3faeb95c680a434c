-- A thousand events over a month, in the mix that production has, for lists, exports and rehearsals of a cutover.

insert into infraops_audit.audit_events
    (tenant_id, event_id, incident_id, event_type, actor, action, resource, outcome, summary, payload, occurred_at)
select
    'default',
    ('5eed0000-0000-4000-9000-' || lpad(to_hex(n), 12, '0'))::uuid,
    case when n % 3 > 0 then 'INC-' || (2000 + n / 25) end,
    (array['alert', 'analysis', 'change', 'resolution'])[1 + n % 4],
    (array['monitor', 'triage-agent', 'deploy-agent', 'j.okafor'])[1 + n % 4],
    (array['raise', 'read', 'apply', 'clear'])[1 + n % 4],
    (array['checkout-api', 'checkout-db', 'billing-worker', 'search'])[1 + n / 4 % 4],
    case when n % 17 = 0 then 'refused' else 'success' end,
    'staging event ' || n,
    jsonb_build_object('n', n, 'duration_ms', n * 37 % 2500),
    timestamptz '2026-10-01 00:00:00+00' + n * interval '43 minutes'
from generate_series(1, 1000) as n
order by n
on conflict (tenant_id, event_id) do nothing;
