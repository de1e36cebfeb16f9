# `make` alone lists what there is. Nothing here needs root, Docker or a server that runs already.

PYTHON ?= python3
TESTS_AT_ONCE ?= 4
FAULTS_AT_ONCE ?= 3
CASES ?= 5000
PROCESSES ?= 1
THREADS ?= 8

BIN := .venv/bin
PIP := umask 022 && PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -qq
DRAMATIQ := $(BIN)/dramatiq monitor.actors --skip-logging --worker-shutdown-timeout 3000
OPENSSL_CONF_OF_REGIONS := $(CURDIR)/src/monitor/probes/net/openssl.cnf
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url
LOCK := $(COMPILE) pyproject.toml requirements/build.in

# Where an image sets this, every process compiles hundreds of modules again, as all four of
# `make test` do with the tests.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help up down test test-debian13 test-hostile test-faults test-fuzz test-e2e lint fmt env-example doctor migrate api worker scheduler stack audit docs lock bench bench-million

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv/.local ## set up and run everything here, in the foreground; DEMO=1 adds a site that fails
	@exec $(BIN)/monitor up $(if $(filter-out 0,$(DEMO)),--demo)

down: ## stop the stack that `make up` runs on this MONITOR_DATA_DIR in another terminal
	@if test -x $(BIN)/monitor; then exec $(BIN)/monitor down; else echo "Nothing to stop."; fi

test: .venv/.dev ## unit, contract and integration tests, against real servers; SEED=7 tries other cases, and more
	@$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist worksteal $(if $(SEED),--hypothesis-seed=$(SEED)) $(ARGS)

test-debian13: .venv/.dev ## the same in a bare Debian 13, on its Python and OpenSSL (root; needs debootstrap)
	@tests/debian13.sh

test-hostile: .venv/.dev ## are neighbours of websites that mean harm as quick as without (a minute, on a quiet machine)
	@$(BIN)/python -m pytest tests/quiet $(ARGS)

test-faults: .venv/.dev ## whole systems, broken on purpose, against a scripted truth (about half an hour)
	@$(BIN)/python -m pytest -n $(FAULTS_AT_ONCE) --dist worksteal tests/faults $(ARGS)

test-fuzz: .venv/.dev ## CASES=5000 requests made up from the OpenAPI document, against a real API; SEED=7 makes up others
	@CASES=$(CASES) SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/fuzz $(ARGS)

test-e2e: .venv/.dev ## a newcomer's walk in a fresh copy: make up, curl, Ctrl-C (a few minutes)
	@$(BIN)/python -m pytest tests/e2e $(ARGS)

lint: .venv/.dev ## ruff, mypy and the rule of which module may import which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: .venv/.dev ## format the code and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

env-example: .venv/.local ## write .env.example out of the declaration of the settings
	@$(BIN)/monitor settings --env-example > .env.example

doctor: .venv/.local ## look for what is wrong with an installation, or with a running `make up`
	@exec $(BIN)/monitor doctor

migrate: .venv/.local ## apply missing migrations to DATABASE_URL
	@exec $(BIN)/monitor migrate

api: .venv/.local ## run the API
	@exec $(BIN)/monitor api

scheduler: .venv/.local ## run the scheduler: one, or several for safety
	@exec $(BIN)/periodiq monitor.actors

worker: .venv/.local ## run a worker of REGION=name, or without REGION the central one
	@$(if $(REGION),MONITOR_REGION='$(REGION)' OPENSSL_CONF="$${OPENSSL_CONF:-$(OPENSSL_CONF_OF_REGIONS)}") exec $(DRAMATIQ) \
		--processes $(PROCESSES) --threads $(THREADS)

stack: ## run it with Docker Compose and the real servers (deploy/compose.yaml)
	@docker compose version >/dev/null 2>&1 || { echo "Docker Compose is not installed."; exit 1; }
	@deploy/make-secrets.sh
	@exec docker compose -f deploy/compose.yaml up --build

audit: .venv-audit/.done ## are there known vulnerabilities in the pinned packages (asks the package registry)
	@exec .venv-audit/bin/python requirements/audit.py

docs: .venv/.local .venv-docs/.done ## build the documentation into site/; broken links end it
	@$(BIN)/python docs/hooks/reference.py
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet
	@$(BIN)/python docs/hooks/third_parties.py site

lock: ## pin all dependencies again, with hashes (needs uv)
	@command -v uv >/dev/null || { echo "uv is not installed: $(PYTHON) -m pip install uv"; exit 1; }
	$(LOCK) --upgrade --extra local --extra dev -o requirements/dev.txt
	$(LOCK) --extra local -c requirements/dev.txt -o requirements/local.txt
	$(LOCK) -c requirements/dev.txt -o requirements/prod.txt
	$(COMPILE) requirements/audit.in -c requirements/dev.txt -o requirements/audit.txt
	$(COMPILE) requirements/docs.in -c requirements/dev.txt -o requirements/docs.txt

bench: .venv/.dev ## CPU, lag and memory under load; MIX=1: real websites; AGAINST=COMMIT: the CPU of a check against that commit's
	@exec $(BIN)/python -m bench$(if $(AGAINST),.against)

bench-million: .venv/.dev ## the promises at SITES=1000000 websites, pass or fail (50 minutes); MIX=1: how many real ones
	@exec $(BIN)/python -m bench.million

# The virtual environment. A stamp is newer than what it was made from, so doing it twice is free.

.venv/.local: requirements/local.txt pyproject.toml | $(BIN)/pip
	@echo "Installing what it runs on into .venv (once, about a minute) ..."
	@$(PIP) --require-hashes -r requirements/local.txt
	@$(PIP) --no-build-isolation --no-deps -e .
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml | $(BIN)/pip
	@echo "Installing what it runs on and the tools into .venv (once, about a minute) ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-build-isolation --no-deps -e .
	@touch .venv/.local $@

# pip-audit brings thirty packages along; what is audited does not share a place with them.
.venv-audit/.done: requirements/audit.txt
	@$(PYTHON) -m venv --clear .venv-audit
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .venv-audit/bin/python -m pip install -qq --require-hashes -r requirements/audit.txt
	@touch $@

# The same for what builds the documentation.
.venv-docs/.done: requirements/docs.txt
	@$(PYTHON) -m venv --clear .venv-docs
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .venv-docs/bin/python -m pip install -qq --require-hashes -r requirements/docs.txt
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not it: make PYTHON=/path/to/python3.11"; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv: on Debian, apt install python3-venv"; exit 1; }
	@echo "Making a virtual environment in .venv ..."
	@umask 022 && $(PYTHON) -m venv .venv
