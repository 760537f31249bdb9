# Every target is one command that works without make, too; CONTRIBUTING.md says which.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python

# A run starts hundreds of processes from this tree: each would compile it again where compiled files are not kept.
unexport PYTHONDONTWRITEBYTECODE

# Who names a mirror for pip means it for uv, too.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

.DEFAULT_GOAL := venv
.PHONY: venv demo demo-down test prepare check lint generate bench soak clean

venv: $(INSTALLED) ## create the virtual environment; made anew only when the lock changes

# The version is checked first: what an old Python says by itself helps nobody.
$(INSTALLED): requirements/dev.lock requirements/uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "genmodel needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)."; \
	  echo "Name another one: make PYTHON=python3.12"; exit 1; }
	@echo "Installing the locked packages into $(VENV); this takes half a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock
	$(UV_INSTALL) --compile-bytecode --require-hashes -r requirements/dev.lock
	$(UV_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

demo: venv ## a local cluster with the operator and two served models
	$(BIN)/python -m examples.demo up

demo-down: venv ## end the demo; nothing stays
	$(BIN)/python -m examples.demo down

# One process has the real node, one the engines outside pods; all else waits for a cluster most of the time.
test: check prepare ## everything but the long ones
	$(BIN)/pytest -m "not soak" -n 4 --no-loadscope-reorder

soak: prepare ## the long ones
	$(BIN)/pytest -m soak

prepare: venv ## what the tests need and is not there yet: from nothing some twenty minutes
	$(BIN)/python -m tests.prepare

bench: venv ## print the figures of the control plane
	$(BIN)/python -m bench

check: lint ## read-only: style, types, import rules, generated files
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m scripts.generate --check

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

generate: venv ## write all generated files
	$(BIN)/python -m scripts.generate

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
