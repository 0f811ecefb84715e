# Everything a developer needs. `make` alone lists it. Works as root and as a plain user, on a bare machine.

PYTHON ?=
ARGS ?=
SOAK_MINUTES ?= 30

VENV := .venv
STAMP := $(VENV)/stamp

# This Python writes its byte code and sees only what is installed for it.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV
MAKEFLAGS += --no-print-directory

.PHONY: help setup run test check bench soak docs clean
.DEFAULT_GOAL := help

help: ## this list
	@echo "usage: make TARGET [PYTHON=python3.x] [ARGS='…']"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile | expand -t 10

setup: ## virtual environment .venv with everything, the C spawner compiled where a compiler is
	@.ci/fresh $(VENV) || rm -f $(STAMP)
	@$(MAKE) -s $(STAMP)

$(STAMP): pyproject.toml setup.py amonsup/supervisor/adapters/spawner.c
	@PYTHON='$(PYTHON)' .ci/setup $(VENV)
	@touch $(STAMP)

run: setup ## setup, then the site of conf.d/ on this machine, in the foreground; Ctrl-C stops it in order
	@.ci/need run
	@exec $(VENV)/bin/python3 examples/run-site

test: setup ## setup, then every test
	@.ci/need test
	@$(VENV)/bin/python3 -m pytest -n 2 $(ARGS)

check: setup ## format, lint, types, import contracts, unit tests: under a minute
	@echo '== format';  $(VENV)/bin/ruff format --check --output-format concise .
	@echo '== lint';    $(VENV)/bin/ruff check .
	@echo '== types';   $(VENV)/bin/mypy
	@echo '== imports'; $(VENV)/bin/lint-imports --config .ci/importlinter.ini
	@echo '== units';   $(VENV)/bin/python3 -m pytest -q -n 2 tests/unit tests/house $(ARGS)

bench: setup ## amonsup and its peers side by side, in one run; ARGS='crash --quick' for less
	@.ci/need bench
	@$(VENV)/bin/python3 benchmarks/run.py $(ARGS)

soak: setup ## process tests and scenarios over and over for SOAK_MINUTES=30, until one fails
	@.ci/need test
	@.ci/soak $(VENV) $(SOAK_MINUTES) $(ARGS)

docs: setup ## write the generated parts of docs/ anew
	@$(VENV)/bin/python3 docs/generate.py

clean: ## everything that was generated, .venv and .run included
	@if [ -x $(VENV)/bin/amonsup ] && $(VENV)/bin/amonsup status >/dev/null 2>&1; then \
	  echo 'the site of make run is up: .venv/bin/amonsup shutdown, then make clean'; exit 1; fi
	@rm -rf $(VENV) .run build bench-out *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +
	@rm -f amonsup/supervisor/adapters/_spawner*.so
