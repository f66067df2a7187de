# Every target does its own set-up in .venv, from requirements/*.txt with hashes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
WORKERS ?= 2
# The published bookings, where they lie beside the project; without them the demonstration uses the shipped sample.
BOOKINGS ?= $(wildcard ../shared/data/hotel/hotel_bookings.csv.zip)

.DEFAULT_GOAL := help
.PHONY: help install demo test check acceptance bench soak rules clean requirements

help: ## show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.run: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Slacktide needs Python 3.11 or newer: set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

install: $(VENV)/.run ## set up .venv with .venv/bin/slacktide

demo: install ## move a hotel property from one database to another while it trades
	$(BIN)/slacktide demo move $(if $(BOOKINGS),--bookings $(BOOKINGS))

test: $(VENV)/.dev ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

check: $(VENV)/.dev ## everything that holds the code: format, lint, types, layers, dependencies, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src
	$(MAKE) --no-print-directory test

acceptance: $(VENV)/.dev ## what make check leaves out: the whole decision table in a browser, the long stories of moves
	$(BIN)/python -m pytest -m "long or not long" tests/acceptance tests/cli/test_demo.py
	$(BIN)/python -m pytest -m long tests/cutover tests/transfer

bench: $(VENV)/.dev ## measure against named peers in the same run
	$(BIN)/python -m bench

soak: $(VENV)/.dev ## kill everything at random and add up the runs: make soak SEED=1 RUNS=20
	$(BIN)/python -m bench.soak --seed $(or $(SEED),1) --runs $(or $(RUNS),20)

rules: $(VENV)/.dev ## take each rule out and see its test fail: make rules, make rules ONLY=zombie
	$(BIN)/python -m bench.rules $(addprefix --only ,$(ONLY))

requirements: $(VENV)/.dev ## pin anew what pyproject.toml asks for
	$(PIP) pip-tools
	$(BIN)/python -m piptools compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-annotate \
	    --extra contingency --extra move --extra control --extra command --extra embedded --extra account --extra server \
	    --output-file requirements/run.txt pyproject.toml requirements/build.in
	$(BIN)/python -m piptools compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-annotate \
	    --all-extras --output-file requirements/dev.txt pyproject.toml requirements/build.in

clean: ## remove what the other targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
