"""A Postgres server in a Docker container: its engine, image, volume and container.

Two doors: `place` for the volume, `server` for the container on it. Docker's own words are used throughout: engine, image, digest, volume,
container. The API is Docker Engine's, through the docker SDK for Python, which is imported where it is used.
"""
