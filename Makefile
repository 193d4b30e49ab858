# Thin: every target sets up .venv by itself, so that a fresh machine needs Python and make alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Held to more than the rest: the parts in plain Python, and every module that decides and does nothing else.
CORE := */rkruntime/actors/*,*/rkruntime/runtime/*,*/rkruntime/memory/*,*/rkruntime/kernels/*,*/rkruntime/device/*,*/rkruntime/blocking.py
DECISIONS := */runtime/_lifecycle.py,*/runtime/_drain.py,*/actors/_restart.py,*/memory/_classes.py,*/memory/_pressure.py

.PHONY: run test lint types imports check conformance bench soak docs image clean
.DEFAULT_GOAL := help

help:
	@echo "make run    the demo: real input, three kernels as actors, checked results"
	@echo "make test   lint, types, import contracts, tests with coverage"
	@echo "make docs   the tables and drawings of the pages, from the code"
	@echo "make conformance  numba-cuda's own tests in drop-in mode and under its simulator, and the page about them"
	@echo "make bench  the benchmarks, as ratios within one run"
	@echo "make fuzz   random kernels, each lowering against the others, for SECONDS (600)"
	@echo "make soak   the service under load for a minute: memory and descriptors stay flat"
	@echo "make image  the steps of the Dockerfile without a daemon, as root on Debian, and what they make"

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(STAMP)

run: $(STAMP)
	$(BIN)/rustkernel demo

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

test: lint types imports
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n logical
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --include='$(CORE)' --fail-under=95
	$(BIN)/coverage report --include='$(DECISIONS)' --fail-under=100

docs: $(STAMP)
	for name in docs/*.py; do $(BIN)/python $$name || exit 1; done

conformance: $(STAMP)
	$(BIN)/python tests/conformance/run_modules.py build/conformance
	$(BIN)/python tests/conformance/write_page.py build/conformance

fuzz: $(STAMP)
	$(BIN)/python tests/simt/fuzzing.py --seconds $(or $(SECONDS),600)

bench: $(STAMP)
	for name in bench/bench_*.py; do $(BIN)/python $$name || exit 1; done

soak: $(STAMP)
	$(BIN)/python bench/soak_service.py

image: $(STAMP)
	$(BIN)/python tests/service/follow_dockerfile.py

clean:
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
