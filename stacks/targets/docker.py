"""Target `docker`: Postgres in a container of this machine's Docker engine."""

from pulumi import Output, ResourceOptions, export, get_project

from infraops_core.errors import UserError
from infraops_core.roles import ADMIN
from infraops_core.servers.docker import engine, images
from infraops_core.servers.loopback import LOOPBACK
from infraops_core.settings import DockerSettings
from infraops_core.settings.docker import DEFAULT_MAJOR
from infraops_core.settings.every_stack import MAJORS
from infraops_core.tls import Tls
from stacks.database import Database, secret_url
from stacks.resources.container import Container
from stacks.resources.passwords import Passwords
from stacks.resources.volume import Volume


def provision(settings: DockerSettings) -> Database:
    """A container that is published on loopback, with its data in a named volume.

    Cost: none beyond this machine.

    :raises UserError: before anything is made, where no engine answers or the image is named for another major version.
    """
    image, major = _image(settings)
    with engine.connected():
        pass
    volume_name = settings.volume or f"{get_project()}-{settings.stack}"
    protected = ResourceOptions(protect=settings.protect)
    password = Passwords("admin-password", ["admin"], opts=protected).of("admin")
    volume = Volume(
        "volume",
        project=get_project(),
        stack=settings.stack,
        volume=volume_name,
        image=image,
        digest=settings.digest,
        major=major,
        protected=settings.protect,
        extensions=settings.extensions,
        opts=protected,  # deleting it deletes the data
    )
    container = Container(
        "container",
        project=get_project(),
        stack=settings.stack,
        volume=volume_name,
        engine=volume.engine,
        image=image,
        digest=settings.digest,
        major=major,
        wanted_port=settings.port,
        memory=settings.memory,
        cpus=settings.cpus,
        protected=settings.protect,
        admin_password=password,
        opts=ResourceOptions(protect=settings.protect, depends_on=[volume]),
    )
    export("image_digest", container.image_digest)
    port = container.port.apply(int)
    return Database(
        provider="docker",
        hosted=False,
        tls=Tls.DISABLE,
        identity=container.identity,
        host=Output.from_input(LOOPBACK),
        port=port,
        server_version=container.version,
        admin_url=secret_url(ADMIN, password, host=LOOPBACK, port=port, database="postgres", tls=Tls.DISABLE),
    )


def _image(settings: DockerSettings) -> tuple[str, int]:
    """The image, and the major version that it is to be; what is not said follows from the other."""
    named = images.major_in(settings.image) if settings.image else None
    major = settings.postgres_version or named or DEFAULT_MAJOR
    if named is not None and named != major:
        raise UserError(
            f"{settings.image} is named for Postgres {named}, and infraops:postgresVersion asks for {major}",
            where=f"Pulumi.{settings.stack}.yaml",
            next="let both say the same, or say one of them only",
        )
    if major not in MAJORS:
        raise UserError(
            f"{settings.image} is named for Postgres {major}, and this runs {MAJORS[0]} to {MAJORS[-1]}",
            where=f"Pulumi.{settings.stack}.yaml, infraops:image",
            next="name an image of one of these",
        )
    return settings.image or f"postgres:{major}", major
