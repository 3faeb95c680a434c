"""A configuration for a PgBouncer of one's own: transaction mode, SCRAM on both sides, and the two roles an application has.

`plan` decides, from the stack's URLs and what its server says; `ini.text` and `userlist.text` are the two files,
`folder.write` puts them down. The owner and the admin never go through a pooler.
"""
