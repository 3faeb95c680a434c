"""Connections to wherever the database is now: pooled, bounded in time, and tried again across a switch."""
