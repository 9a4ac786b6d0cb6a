# Thin: every target is one command that can be typed by hand. `make` lists them.
PYTHON ?= python3
TASK ?= hopper
SEED ?= 0
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup imitate test check soak clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/ready: requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || \
		{ echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1), expected Python 3.11 or 3.12; say make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements-dev.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

setup: .venv/ready ## make .venv with everything in it (about a minute)

imitate: .venv/ready ## the main job: MGAIL against BC and the expert; TASK=hopper SEED=0; goes on where it was stopped
	$(BIN)/python launch/quickstart.py --task=$(TASK) --seed=$(SEED) --resume

test: .venv/ready ## the tests (2 minutes after set-up)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal tests

soak: .venv/ready ## kill every algorithm at 20 random moments, resume, compare bit by bit (about 5 minutes)
	KILLS=20 $(BIN)/python -m pytest -q -n 2 --dist worksteal tests/test_kills.py

check: .venv/ready ## linters, types and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory test

clean: ## remove .venv and caches; runs/ is kept
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache *.egg-info
