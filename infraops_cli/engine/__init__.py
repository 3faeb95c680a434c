"""The Pulumi engine: the machine's own, or one made for this checkout."""
