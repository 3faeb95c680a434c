"""A Postgres that is not ours: what can be told of it before anything is done there, and what remains in it afterwards."""
