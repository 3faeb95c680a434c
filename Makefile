# make up and make down are the two commands to know; README.md says what they do.
STACK ?= local
export STACK
PYTHON ?= python3
PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet
PACKAGES := infraops_core infraops_cli stacks tools tests benchmarks

.PHONY: up down setup test test-full lint lock help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: .venv/installed ## provision STACK (local), apply the schema, write and prove one audit row
	@.venv/bin/infraops up "$$STACK"

down: .venv/installed ## destroy what make up made, data and all
	@.venv/bin/infraops down "$$STACK" --yes

setup: .venv/installed ## have the packages and the Pulumi engine, change nothing else
	@.venv/bin/infraops setup "$$STACK"

test: .venv/installed-dev setup ## the whole test suite
	@.venv/bin/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-full: .venv/installed-dev setup ## the same, with the tests that look for races and odd inputs repeated many times
	@TEST_CAMPAIGN=1 .venv/bin/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev ## ruff, mypy --strict, import contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy $(PACKAGES)
	@.venv/bin/lint-imports

lock: ## pin the dependencies of pyproject.toml anew (needs uv)
	tools/lock.sh

# An environment knows its own path: one that was moved with the checkout is made anew.
MOVED := $(shell test -f .venv/installed && test "$$(cat .venv/installed)" != "$$PWD" && echo moved)

.PHONY: moved
.venv/installed: requirements.lock pyproject.toml $(MOVED)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; say which: make PYTHON=python3.12")'
	@echo "Installing  the Python packages of requirements.lock into .venv" >&2
	@case "$$PWD" in *[\"\$$]*) echo 'error: the path of the checkout holds a " or $$, which pip cannot live with: move it' >&2; exit 1;; esac
	@test -z "$(MOVED)" || rm -rf .venv
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@printf %s "$$PWD" > $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	@echo "Installing  the development tools of requirements-dev.lock into .venv" >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
