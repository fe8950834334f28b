# Everything a developer runs. The first call of any target installs what it needs; later ones check a stamp and go on.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# Some images turn bytecode off: every process that the stack or a test starts would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo up test nightly check soak supply bench package doctor lock clean bootstrap

# Any Python 3.8+ will do to start from; bootstrap finds or fetches the 3.13 the app runs on.
ANY_PYTHON ?= $(shell for p in .venv/bin/python python3.13 python3 /usr/bin/python3 $$HOME/.pyenv/versions/3.*/bin/python python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null && echo $$p && break; done)
BOOTSTRAP = $(or $(ANY_PYTHON),$(error No Python 3.8 or newer found: install any Python 3, bootstrap does the rest)) infra/local/bootstrap.py
PYTHON := .venv/bin/python
PACKAGES := functions shared infra
PYTEST := $(PYTHON) -m pytest
ARGS ?=

help: ## This list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Run the main job from end to end on this machine, step by step (ARGS="--workers 2")
	@$(BOOTSTRAP) app node ml
	@$(PYTHON) -m infra.local demo $(ARGS)

up: ## Start storage, the local Azure and the app, and stay up (ARGS="--port 7071 --workers 2")
	@$(BOOTSTRAP)
	@$(PYTHON) -m infra.local up $(ARGS)

test: ## All tests, five files at a time (ARGS="tests/unit -k word", ARGS="-n 0" one by one)
	@$(BOOTSTRAP) python node ml sdk mgmt mlflow v1 javascript browser
	@$(PYTHON) -m tests.bytecode
	@$(PYTEST) -n 5 --dist loadfile --no-loadscope-reorder $(ARGS)

nightly: ## What is too large for every day: the Azure CLI (700 MB) against the local Azure, and the sweeps whole
	@$(BOOTSTRAP) python node ml sdk cli generators typescript
	@WHOLE_SWEEPS=1 $(PYTEST) -n 2 --dist loadfile -m "nightly or sweep" --timeout 1800 $(ARGS)

check: ## Lint, format, types, layers
	@$(BOOTSTRAP) python
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy $(PACKAGES)
	@.venv/bin/lint-imports --no-logo

soak: ## Minutes of work on real processes while they, storage and Azure fail; a report (ARGS="--minutes 30 --seed 1")
	@$(BOOTSTRAP) python node ml
	@$(PYTHON) -m tests.soak $(ARGS)

supply: ## No key in the sources, no known vulnerability in the lock, nothing loose in the workflows (asks PyPI)
	@$(BOOTSTRAP) python supply
	@$(PYTHON) -m infra.supply

bench: ## Measure what the README states: times, storage and ARM calls, events, the clean-up (ARGS="--only import")
	@$(BOOTSTRAP) python node ml
	@$(PYTHON) -m tests.bench $(ARGS)

package: ## Build dist/azureml-steward.zip, what is deployed (ARGS="--folder dist/app")
	@$(BOOTSTRAP) app
	@$(PYTHON) -m infra.package $(ARGS)

doctor: ## Check settings, identity, permissions and storage, and say what to fix (ARGS="--settings local.settings.json")
	@$(BOOTSTRAP) python
	@$(PYTHON) -m infra.doctor $(ARGS)

lock: ## Renew the lock files after a change of requirements or of package.json
	@$(BOOTSTRAP) python node
	@$(PYTHON) -m infra.local.lock
	@$(BOOTSTRAP) python node ml sdk mgmt mlflow v1 javascript

clean: ## Remove everything that was installed or left behind by runs
	rm -rf .venv .local dist infra/local/node_modules tests/functional/clients/*/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

bootstrap:
	@$(BOOTSTRAP)
