"""`infraops doctor`: is this database, and the way to it, as it must be? A table of checks, run side by side, that change nothing.

`run.run` runs them, `checks.CHECKS` is the table, `subject.Subject` what they look at. For readers: docs/doctor.md.
"""
