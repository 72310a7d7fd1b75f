# Every command of the project, in one place. `make` alone lists them.

# The interpreter to build .venv with: any Python from 3.11 on.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_CONSTRAINT=$(CURDIR)/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet
PYTEST := $(BIN)/pytest -q
# On all cores; the tests of a file on one, so that what they share is made once.
SPREAD := -n auto --dist loadfile --no-loadscope-reorder
# Compiled code is kept, whatever the environment says: every worker and every process of a service needs it.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv install demo test unit properties search training cluster e2e lint audit format lock protos bench-lookup bench-ingest bench-identity match-model clean

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

venv: $(BIN)/python ## make .venv, empty

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Onefold needs Python 3.11 or later; found: $$($(PYTHON) --version 2>&1). Set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing: apt-get install python3.11-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# What the service needs to run.
$(VENV)/.runtime: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing Onefold into $(VENV)"
	@$(PIP) -e .
	@touch $@

# That, and what tests, lint and benchmarks need.
$(VENV)/.dev: $(VENV)/.runtime
	@echo "installing development tools into $(VENV)"
	@$(PIP) -e '.[dev,bench,ml,train]'
	@touch $@

install: $(VENV)/.dev ## install everything into .venv, pinned by constraints.txt

demo: $(VENV)/.runtime ## from nothing to a loaded demo shop, served on loopback
	@$(BIN)/onefold demo

test: unit properties training cluster e2e ## every test

unit: $(VENV)/.dev ## unit tests: no Ray, no network; on all cores
	@$(PYTEST) $(SPREAD) tests/unit

properties: $(VENV)/.dev ## property tests, simulation, golden files; on all cores
	@$(PYTEST) $(SPREAD) tests/properties tests/sim tests/golden

search: $(VENV)/.dev ## the same properties with 1,000 new examples of each
	@ONEFOLD_TEST_SEARCH=1 $(PYTEST) $(SPREAD) tests/properties

training: $(VENV)/.dev ## the embedding with sentence-transformers and torch: training it, loading others
	@$(PYTEST) tests/training

cluster: $(VENV)/.dev ## tests on real Ray actors
	@$(PYTEST) tests/cluster

e2e: $(VENV)/.dev ## the whole service from outside: SDKs, kills, imports (npm SDKs need node and npm)
	@$(PYTEST) tests/e2e

lint: $(VENV)/.dev ## ruff, formatting, mypy --strict, layer contracts, bandit
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive actors models pipelines protos serve 2>/dev/null

# ADVISORIES: a file or folder of OSV's JSON, which it publishes for all of PyPI.
audit: $(VENV)/.dev ## what is installed against constraints.txt, and against known weaknesses if ADVISORIES=path is given
	@$(BIN)/python -m bench.supply_chain $(if $(ADVISORIES),--advisories $(ADVISORIES))

format: $(VENV)/.dev ## format and sort imports
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

protos: $(VENV)/.dev ## regenerate the gRPC stubs from protos/
	@$(BIN)/python -m protos.generate

lock: $(VENV)/.dev ## rewrite constraints.txt from what .venv holds
	@{ echo '# Every package in use, pinned: what `make install` installs and CI tests. Remade by `make lock`.'; \
	   { $(BIN)/pip freeze --exclude-editable; grep -E '^(hatchling|trove_classifiers)==' constraints.txt; } \
	   | sed 's/^\([^=]*==[^+]*\)+.*/\1/' | sort -fu; } > constraints.new
	@mv constraints.new constraints.txt

bench-lookup: $(VENV)/.dev ## lookups a second and latency of the running service, beside a bare gRPC server
	@$(BIN)/onefold bench lookup

bench-ingest: $(VENV)/.dev ## durable events a second and latency of the running service
	@$(BIN)/onefold bench ingest

bench-identity: $(VENV)/.dev ## who is who: Onefold beside Splink 5 on sets in DATA=folder (febrl/, splink/, ...)
	@$(BIN)/python -m bench.identity --data $(DATA)

match-model: $(VENV)/.dev ## learn the shipped matching model again, from made-up people
	@mkdir -p build
	@$(BIN)/python -m bench.identity_people build/people.parquet build/truth.parquet --records 200000
	@$(BIN)/onefold resolve build/people.parquet --id-column record_id --source-column source \
	  --output build/clusters.parquet --save-model build/learned.json
	@$(BIN)/python -m pipelines.ship_match_model build/learned.json models/identity/match_model.json

clean: ## remove .venv and caches (never the data directory)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +
