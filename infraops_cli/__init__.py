"""The `infraops` command."""
