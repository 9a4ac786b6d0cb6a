# Thin: every target is one command that can be typed by hand. `make` lists them.
PYTHON ?= python3
TASK ?= hopper
SEED ?= 0
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup imitate test quick check soak cluster-test report clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.venv/ready: requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1), expected Python 3.11, 3.12 or 3.13; say make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements-dev.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

setup: .venv/ready ## make .venv with everything in it (1 to 3 minutes)

imitate: .venv/ready ## the main job: MGAIL against BC and the expert; TASK=hopper SEED=0; goes on where it was stopped
	$(BIN)/python launch/quickstart.py --task=$(TASK) --seed=$(SEED) --resume

test: .venv/ready ## all tests (6 to 16 minutes after set-up)
	$(PYTEST) tests

quick: .venv/ready ## the mathematics and one smoke run (30 to 45 seconds)
	$(PYTEST) -m "not slow" tests

soak: .venv/ready ## kill BC, GAIL, MGAIL and TRPO at 20 random moments each, resume, compare bit by bit (about 5 minutes)
	KILLS=20 $(PYTEST) tests/launch/test_kills.py

cluster-test: .venv/ready ## a sweep on two nodes of Ray, of which one is killed, then the driver (about 8 minutes)
	CLUSTER_RUNS=3 $(PYTEST) tests/sweeps/test_cluster.py

report: .venv/ready ## make all tables and pictures of README.md and docs/ again from the rows in results/
	$(BIN)/python launch/make_tables.py
	$(BIN)/python launch/make_figures.py
	$(BIN)/python launch/make_figures.py --folder=results/archive/task_settings
	$(BIN)/python launch/make_docs.py

check: .venv/ready ## linters, types and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory test

clean: ## remove .venv and caches; runs/ is kept
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache *.egg-info build
