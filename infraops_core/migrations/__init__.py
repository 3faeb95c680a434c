"""Migrations: dbmate's files and ledger, applied by a runner of ours."""
