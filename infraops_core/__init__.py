"""Everything about the audit database that is true without Pulumi."""
