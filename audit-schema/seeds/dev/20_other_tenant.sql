-- A second tenant, to see that neither sees the other's rows.

insert into infraops_audit.audit_events
    (tenant_id, event_id, incident_id, event_type, actor, action, resource, outcome, summary, payload, occurred_at)
values
    ('acme', '5eed0000-0000-4000-8000-000000000101', 'ACME-7', 'alert', 'monitor', 'raise', 'billing-worker', 'success',
     'the queue of billing-worker grows', '{"depth": 18250}', '2026-11-03 22:40:00+00'),
    ('acme', '5eed0000-0000-4000-8000-000000000102', 'ACME-7', 'resolution', 'm.lindqvist', 'scale', 'billing-worker', 'success',
     'two more workers; the queue is empty', '{"workers": 4}', '2026-11-03 22:58:30+00')
on conflict (tenant_id, event_id) do nothing;
