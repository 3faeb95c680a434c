"""How fast the audit store is, each measurement against a named peer in the same run, on a server with fsync and defaults.

Run all: .venv/bin/python -m benchmarks.audit; one or some: .venv/bin/python -m benchmarks.audit append many
"""
