-- One incident from alert to end, as an agent and its operator would leave it in the audit trail.
-- Keys are fixed, so that it may be applied again; occurred_at too, so that every developer sees the same.

insert into infraops_audit.audit_events
    (tenant_id, event_id, incident_id, event_type, actor, action, resource, outcome, request_id, summary, payload, occurred_at)
values
    ('default', '5eed0000-0000-4000-8000-000000000001', 'INC-1042', 'alert', 'monitor', 'raise', 'checkout-api', 'success', 'req-7f31',
     'p95 latency of checkout-api above 2 s for 5 minutes', '{"p95_ms": 2310, "threshold_ms": 2000}', '2026-11-02 09:14:05+00'),
    ('default', '5eed0000-0000-4000-8000-000000000002', 'INC-1042', 'analysis', 'triage-agent', 'read', 'checkout-db', 'success', 'req-7f32',
     'one query holds locks for 40 s: a missing index on orders.customer_id', '{"wait_event": "Lock/tuple", "sessions": 17}',
     '2026-11-02 09:16:41+00'),
    ('default', '5eed0000-0000-4000-8000-000000000003', 'INC-1042', 'change', 'triage-agent', 'create_index', 'checkout-db', 'refused', 'req-7f33',
     'the agent may not change a production database without approval', '{"policy": "changes-need-approval"}', '2026-11-02 09:17:02+00'),
    ('default', '5eed0000-0000-4000-8000-000000000004', 'INC-1042', 'change', 'j.okafor', 'create_index', 'checkout-db', 'success', 'req-7f40',
     'index orders_customer_id made concurrently in 96 s', '{"seconds": 96}', '2026-11-02 09:31:18+00'),
    ('default', '5eed0000-0000-4000-8000-000000000005', 'INC-1042', 'resolution', 'monitor', 'clear', 'checkout-api', 'success', 'req-7f44',
     'p95 latency of checkout-api back at 180 ms', '{"p95_ms": 180}', '2026-11-02 09:36:00+00')
on conflict (tenant_id, event_id) do nothing;

insert into infraops_audit.incident_snapshots
    (tenant_id, event_id, incident_id, snapshot_type, actor, summary, payload, occurred_at)
values
    ('default', '5eed0000-0000-4000-8000-000000000011', 'INC-1042', 'locks', 'triage-agent', '17 sessions wait for one',
     '{"blocking_pid": 4711, "waiting": 17, "longest_wait_s": 40.2}', '2026-11-02 09:16:20+00')
on conflict (tenant_id, event_id) do nothing;

insert into infraops_audit.agent_runs
    (tenant_id, event_id, run_id, agent, status, incident_id, summary, payload, occurred_at)
values
    ('default', '5eed0000-0000-4000-8000-000000000021', '5eed0000-0000-4000-8000-0000000000a1', 'triage-agent', 'started', 'INC-1042',
     'looks into the latency of checkout-api', '{"trigger": "alert"}', '2026-11-02 09:14:30+00'),
    ('default', '5eed0000-0000-4000-8000-000000000022', '5eed0000-0000-4000-8000-0000000000a1', 'triage-agent', 'succeeded', 'INC-1042',
     'names a missing index and asks for approval', '{"steps": 6}', '2026-11-02 09:17:10+00')
on conflict (tenant_id, event_id) do nothing;

insert into infraops_audit.approval_requests
    (tenant_id, event_id, approval_id, status, actor, action, incident_id, summary, payload, occurred_at)
values
    ('default', '5eed0000-0000-4000-8000-000000000031', '5eed0000-0000-4000-8000-0000000000b1', 'requested', 'triage-agent', 'create_index',
     'INC-1042', 'make an index on orders (customer_id), concurrently', '{"expires_minutes": 30}', '2026-11-02 09:17:05+00'),
    ('default', '5eed0000-0000-4000-8000-000000000032', '5eed0000-0000-4000-8000-0000000000b1', 'approved', 'j.okafor', 'create_index',
     'INC-1042', 'go ahead outside the peak', '{}', '2026-11-02 09:28:44+00')
on conflict (tenant_id, event_id) do nothing;
