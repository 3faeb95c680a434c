"""The audit trail: the store that applications call, its connections, and the hash chains of what is stored."""
