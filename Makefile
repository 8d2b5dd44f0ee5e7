# The front door. On a fresh machine `make reports` or `make test` does all set-up by itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

UV_VERSION := 0.13.9
# An installed uv is used where there is one; otherwise one is put into .tools, inside this folder.
UV := $(shell command -v uv 2>/dev/null || echo .tools/uv/bin/uv)
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.synced
export UV_PROJECT_ENVIRONMENT := $(VENV)
# What Python has compiled is kept beside it, wherever it came from: else every process compiles all it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help reports profiles briefing test lab lint check calibrate bench lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

reports: $(STAMP) ## Build every report that is not up to date into reports/ (the main job)
	$(RUN)/soa-evidence build

test: $(STAMP) ## Run the linters, the type checker and all tests
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/pytest -n auto --dist loadfile --no-loadscope-reorder

profiles: $(STAMP) ## Build the profile of every unit into reports/ (some belong to make reports already)
	$(RUN)/soa-evidence build --family unit-profiles

briefing: $(STAMP) ## Print the built briefing as PDF, one side of A4 (needs a Chromium)
	$(RUN)/soa-evidence briefing

lab: $(STAMP) ## Open JupyterLab on the notebooks, kernel ready
	$(RUN)/jupyter lab analyses

lint: $(STAMP) ## Put the code into house style
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

check: $(STAMP) ## Validate every evidence package and the catalogue
	$(RUN)/soa-evidence check

calibrate: $(STAMP) ## Slow: coverage and simulation-based calibration, tables into tests/calibration
	$(RUN)/python -m tests.calibration.run
	$(RUN)/python -m tests.calibration.synthesis_coverage
	$(RUN)/python -m tests.calibration.survival_coverage
	$(RUN)/python -m tests.calibration.survival_regression_coverage
	$(RUN)/python -m tests.calibration.smooth_survival
	$(RUN)/python -m tests.calibration.hierarchical_run
	$(RUN)/python -m tests.calibration.survivorship
	$(RUN)/python -m tests.calibration.units_outcomes
	$(RUN)/python -m tests.calibration.units_poisson
	$(RUN)/python -m tests.calibration.units_joint
	$(RUN)/python -m tests.calibration.rates_calibration
	$(RUN)/python -m tests.calibration.referral_bias
	$(RUN)/python -m tests.calibration.units_volume
	$(RUN)/python -m tests.calibration.programmes
	$(RUN)/python -m tests.calibration.units_spread
	$(RUN)/python -m tests.calibration.units_variation
	$(RUN)/python -m tests.calibration.units_areas
	$(RUN)/python -m tests.calibration.pathways_waiting

bench: $(STAMP) ## Slow: side-by-side speed, tables into benchmarks/
	$(RUN)/python -m benchmarks.run

lock: $(UV) ## Renew requirements.lock from pyproject.toml
	$(UV) pip compile --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-header \
	  --upgrade --group dev pyproject.toml -o requirements.lock

clean: ## Remove built pages and build state (never the environment)
	$(RUN)/soa-evidence clean

.tools/uv/bin/uv:
	python3 -m venv .tools/uv
	.tools/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The stamp is newer than what it was made from, so a second run pays nothing.
$(STAMP): requirements.lock pyproject.toml .python-version | $(UV)
	$(UV) venv --quiet --allow-existing $(VENV)
	$(UV) pip sync --quiet --python $(RUN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(RUN)/python --no-deps --no-build-isolation --editable .
	$(RUN)/python -m ipykernel install --sys-prefix --name soa-evidence --display-name "soa_evidence" >/dev/null
	touch $@
