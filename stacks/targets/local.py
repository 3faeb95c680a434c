"""Target `local`: an embedded Postgres on this machine."""

from pulumi import Output, ResourceOptions, get_project

from infraops_core import extensions
from infraops_core.roles import ADMIN
from infraops_core.servers.content import Content
from infraops_core.servers.embedded import account, binaries, folder
from infraops_core.servers.loopback import LOOPBACK
from infraops_core.settings import LocalSettings
from infraops_core.tls import Tls
from stacks.database import Database, secret_url
from stacks.resources.data_folder import DataFolder
from stacks.resources.passwords import Passwords
from stacks.resources.server import Server


def provision(settings: LocalSettings) -> Database:
    """A Postgres server that listens on loopback, with its data under the checkout's state.

    Cost: none beyond this machine.

    :raises UserError: before anything is made, on a machine without Postgres programs or an account to run them.
    """
    place = folder.ServerFolder(folder.place(settings.stack, account.for_server()))
    made = place.major() if place.content() is Content.COMPLETE else None
    programs = binaries.find(binaries.versions(settings.postgres_version, made), settings.postgres_bin)
    if settings.extensions:
        extensions.check_installed(programs.extensions(), settings.extensions)
    protected = ResourceOptions(protect=settings.protect)
    password = Passwords("admin-password", ["admin"], opts=protected).of("admin")
    data = DataFolder(
        "data",
        project=get_project(),
        stack=settings.stack,
        base=str(place.base),
        protected=settings.protect,
        opts=protected,  # deleting it deletes the data
    )
    server = Server(
        "server",
        project=get_project(),
        stack=settings.stack,
        base=str(place.base),
        bin=str(settings.postgres_bin) if settings.postgres_bin else None,
        major=programs.major,
        wanted_port=settings.port,
        protected=settings.protect,
        admin_password=password,
        opts=ResourceOptions(protect=settings.protect, depends_on=[data]),
    )
    port = server.port.apply(int)
    return Database(
        provider="local",
        hosted=False,
        tls=Tls.DISABLE,
        identity=server.identity,
        host=Output.from_input(LOOPBACK),
        port=port,
        server_version=server.version,
        admin_url=secret_url(ADMIN, password, host=LOOPBACK, port=port, database="postgres", tls=Tls.DISABLE),
    )
