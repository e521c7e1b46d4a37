# Everything is set up in .venv from requirements.lock; nothing else on the machine is touched.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-all test-browser lint types bench figures docs clean

demo: $(READY)  ## the main job: double descent, theory beside two simulations
	$(BIN)/tsmech run double_descent

# Sources are compiled once and kept, whatever the environment says: tests start some hundred processes.
test test-all test-browser: export PYTHONDONTWRITEBYTECODE :=

test: $(READY)  ## the quick tests
	$(BIN)/pytest -m "not slow" -p no:benchmark --numprocesses logical --dist loadfile

test-all: $(READY)  ## all tests
	$(BIN)/pytest

test-browser: $(READY)  ## the explorer in a headless Chromium, which is installed where that is possible
	.ci/browser
	$(BIN)/pytest -m browser -p no:benchmark tests/explore

lint: $(READY)  ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## static types
	$(BIN)/mypy

bench: $(READY)  ## the speed claims, peers in the same run; writes docs/performance.md
	$(BIN)/pytest benchmarks --benchmark-only --benchmark-columns=min,median,rounds --benchmark-group-by=group \
	    --benchmark-sort=name --benchmark-json=.venv/bench.json
	$(BIN)/python benchmarks/page.py .venv/bench.json docs/performance.md

figures: $(READY)  ## redraw the gallery from sims/
	$(BIN)/tsmech reproduce

docs: $(READY)  ## the documentation site, in build/docs; no network is asked
	$(BIN)/sphinx-build --quiet --jobs auto --fail-on-warning --keep-going docs build/docs

clean:
	rm -rf build docs/systems docs/reference docs/theory docs/figures docs/notebooks .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("tsmech needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $(READY)
