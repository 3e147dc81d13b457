# Two commands for a fresh machine: `make demo` and `make test`. Everything lives in .venv; nothing is installed elsewhere.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
BROWSER := --no-install-recommends chromium fonts-dejavu-core
# One thread a process: on busy cores two are slower than one, and the same seed then gives the same bytes.
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1

.PHONY: demo test check browser docs bench faults clean fuzz

demo: .venv/core
	$(BIN)/culpa demo --output out/demo

test: check
	$(BIN)/pytest -n 2 tests

check: .venv/dev
	$(BIN)/ruff format --check src tests benchmarks fuzz docs/tools
	$(BIN)/ruff check src tests benchmarks fuzz docs/tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest src

# Chromium from Debian, and what drives it: without them the tests of the page skip, and say so.
browser: .venv/browser
	command -v chromium || { $(ROOT) apt-get update -qq && $(ROOT) apt-get install -y -qq $(BROWSER); }

# The site, in out/site: open out/site/index.html. It asks nothing of the network; search needs `python -m http.server -d out/site`.
docs: .venv/docs
	$(BIN)/python docs/tools/verbs.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: .venv/dev
	$(BIN)/python benchmarks/run.py

# A quarter of an hour: kills commands at a hundred random moments, fills disks, damages files; writes docs/faults.md.
faults: .venv/dev
	$(BIN)/python benchmarks/faults.py

# Coverage-guided fuzzing: 1.6 million executions, two at a time; goes on where it stopped. Begins anew: FUZZ=--anew
fuzz: .venv/fuzz
	$(BIN)/python -m fuzz $(FUZZ)

clean:
	rm -rf .venv out dist benchmarks/data

.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) -e .
	touch $@

.venv/dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) -e '.[dev]'
	touch $@ .venv/core

.venv/docs: .venv/core
	$(PIP) -e '.[docs]'
	touch $@

.venv/browser: .venv/dev
	$(PIP) -e '.[browser]'
	touch $@

.venv/fuzz: .venv/dev
	$(PIP) -e '.[fuzz]'
	touch $@
