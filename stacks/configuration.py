"""This stack's settings, from Pulumi's configuration."""

from pulumi import get_stack
from pulumi.runtime import config, get_config_env, is_config_secret

from infraops_core.settings import Settings, parse


def read() -> Settings:
    """The settings of the stack that runs; what its file holds encrypted is in those that are secrets, and in no message.

    :raises UserError: listing every mistake of its file.
    """
    values = get_config_env() | config.CONFIG.get()
    secrets = {key: value for key, value in values.items() if is_config_secret(key)}
    encrypted = {"secure": ""}  # what a message may show of it
    return parse(get_stack(), {key: encrypted if key in secrets else value for key, value in values.items()}, secrets)
