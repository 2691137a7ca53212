# molmis: what quantizers leak, and what they cost.   make help
.DEFAULT_GOAL := help
.PHONY: help install run test lint types check bench studies clean

# the first Python of at least 3.11 on the path; choose another with  make PYTHON=/path/to/python run
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

help: ## say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(READY) ## make .venv with the pinned versions

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "error: no Python of at least 3.11 on the path; install one, or give make PYTHON=/path/to/python" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==$$(sed -n 's/^torch==//p' constraints.txt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: $(READY) ## the main job on molecules that come with RDKit; table and figures in out/
	$(BIN)/python -m benchmark.run --out out

test: $(READY) ## the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY) ## style and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## static types
	$(BIN)/mypy

check: lint types test ## everything that must pass before a commit

bench: $(READY) ## the speed and accuracy figures of the README
	$(BIN)/python -m benchmarks.featurization
	$(BIN)/python -m benchmarks.main_job
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.exact
	$(BIN)/python -m benchmarks.attacks
	$(BIN)/python -m benchmarks.zoo
	$(BIN)/python -m benchmarks.embedding
	$(BIN)/python -m benchmarks.board
	$(BIN)/python -m benchmarks.store
	$(BIN)/python -m benchmarks.sandbox
	$(BIN)/python -m benchmarks.memory

studies: $(READY) ## the studies behind docs/ (hours; goes on where it was)
	$(BIN)/python -m benchmarks.indicator_exact
	$(BIN)/python -m benchmarks.indicator_synthetic
	$(BIN)/python -m benchmarks.indicator
	for figure in fig1 fig2 fig5; do $(BIN)/python -m benchmark.reproduce $$figure --out out/$$figure; done

clean: ## remove the environment and what was made; results/ and the user's cache stay
	rm -rf $(VENV) out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
