#!/bin/sh
# Pin the dependencies of pyproject.toml, with hashes and without the registry's address.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
        --custom-compile-command 'make lock' "$@" pyproject.toml
}
compile --output-file requirements.lock
for extra in local aws edge neon; do
    compile --extra "$extra" --constraint requirements.lock --output-file "requirements-$extra.lock"
done
compile --extra dev --extra local --constraint requirements.lock --output-file requirements-dev.lock
