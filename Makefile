# Every command a person or CI runs. Each makes its own .venv with plain pip; a second run reuses it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Test processes; much of the suite waits for servers and workers that it has killed.
JOBS   ?= 3

.PHONY: demo test lint format bench ui clean help

help:            ## this list
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(STAMP)   ## a real search, end to end: server, four workers, 100 trials of bananas against 100 of random
	$(BIN)/bonanza demo

test: lint       ## lint, types, import contracts, then the whole suite on SQLite and PostgreSQL
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: $(STAMP)   ## ruff, mypy --strict, bandit, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive client server migrations
	$(BIN)/lint-imports --no-cache

format: $(STAMP) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## ask and tell beside a floor app and Optuna, on both databases
	$(BIN)/python -m tests.benchmarks.server

ui:              ## build the dashboard from server/ui: needs Node 20, where nothing else here does
	cd server/ui && npm ci --silent && npm run --silent build

clean:           ## forget the environment
	rm -rf $(VENV)

# torch comes first and by exact version: a range would let pip pick a build with gigabytes of CUDA libraries.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)
