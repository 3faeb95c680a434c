"""One module a target, each with `provision(settings) -> Database`."""
