# Everything starts from Python >= 3.11 and make; the first target that needs it creates .venv from the hashed lock.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo dev check test test-real bench lock clean

help:           ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "nodewise needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## write the demo company's feeds, run its last day, print the plan (ARGS="--days 120 --skus 80" for a small one)
	$(BIN)/nodewise demo $(ARGS)

dev: $(STAMP)   ## the Dagster UI on the demo company, at http://127.0.0.1:3000
	$(BIN)/nodewise demo --feeds-only
	$(BIN)/nodewise dev --settings .nodewise/demo/settings.yaml

check: $(STAMP) ## formatting, lint, import contracts, SQL lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --disable-progress-bar dbt_project/models dbt_project/tests

test: $(STAMP)  ## the whole suite
	$(BIN)/pytest

test-real: $(STAMP) ## the suite on real public data (DATA=folder that holds it)
	$(BIN)/pytest -m real

bench: $(STAMP) ## measured figures, each as a ratio to a named peer
	$(BIN)/python -m benchmarks

lock:           ## resolve dependencies again (needs uv on the PATH)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group dev pyproject.toml -o requirements.lock

clean:          ## remove the environment and the demo company
	rm -rf $(VENV) .nodewise build *.egg-info
