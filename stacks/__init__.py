"""The Pulumi program: what is provisioned."""
