# Every target does its own setup: a .venv, needing only Python and make.
PYTHON ?= python3
PYTEST ?= $(BIN)/python -m pytest

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

# The tests start hundreds of interpreters, which must not compile the package again and again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-first test-second test-long long-first long-second test-all \
	test-upstream lint typecheck perf gate soak record stub docs coverage lowest setup clean \
	demo-fleet pictures test-browser test-windows smoke-windows

# All that contributors need.
setup: $(BIN)/.tools $(BIN)/.docs
	$(BIN)/pre-commit install

demo: $(BIN)/.installed
	$(BIN)/python -m pywats_green demo

# Two halves concurrently, each in a separate process.
FIRST_HALF := $(addprefix tests/,queue transport cache pool batching cli)
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

test: $(BIN)/.tools
	$(MAKE) --no-print-directory -j2 $(SYNC) test-first test-second

test-first: $(BIN)/.tools
	$(PYTEST) $(FIRST_HALF)

test-second: $(BIN)/.tools
	$(PYTEST) $(FIRST_HALF:%=--ignore=%)

# Tests marked long: crash, fuzz and parity runs, other programs, and those that need what
# `make perf` needs. Two halves, too.
LONG_FIRST := $(addprefix tests/,queue faults works_with)

test-long: $(BIN)/.tools $(BIN)/.perf
	$(MAKE) --no-print-directory -j2 $(SYNC) long-first long-second

long-first: $(BIN)/.tools $(BIN)/.perf
	$(PYTEST) -m long $(LONG_FIRST)

long-second: $(BIN)/.tools $(BIN)/.perf
	$(PYTEST) -m long $(LONG_FIRST:%=--ignore=%)

test-all: test test-long

# Upstream's own tests, from a checkout, plain and green: make test-upstream SRC=~/pyWATS/tests
test-upstream: $(BIN)/.tools
	$(BIN)/python tests/compare_upstream.py "$(SRC)"

# What says something on Windows, and its smoke test, in a Windows Python under Wine. See
# tests/windows; on Windows itself, make test.
test-windows: $(BIN)/.tools
	$(BIN)/python tests/windows suite

smoke-windows: $(BIN)/.tools
	$(BIN)/python tests/windows smoke

lint: $(BIN)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Modules of the same name, which mypy does not take together.
ALONE := $(patsubst tests/%,%,$(wildcard tests/*/conftest.py tests/*/__main__.py))

# On the path, pywats-stubs is found as if installed.
typecheck: export PYTHONPATH := $(CURDIR)
typecheck: $(BIN)/.tools $(BIN)/.perf
	$(BIN)/mypy
	cd perf && ../$(BIN)/mypy --config-file ../setup.cfg --explicit-package-bases .
	cd tests && ../$(BIN)/mypy $(foreach file,$(ALONE),&& ../$(BIN)/mypy $(file))
	$(BIN)/pyright --pythonpath $(BIN)/python

# Everything, or what pytest's -k selects: make perf ONLY="test_a_hit and plain"
perf: $(BIN)/.perf
	$(BIN)/python perf $(if $(ONLY),-k "$(ONLY)")

# Is HEAD slower than BASE? make gate BASE=v1.0 HEAD=HEAD GATE="--tolerance 0.05"
BASE ?= main
HEAD ?= HEAD
gate: $(BIN)/.perf
	$(BIN)/python perf/gate $(BASE) $(HEAD) $(GATE)

# Does anything grow, or get lost, under faults, kills and outages? make soak SCALE=0.25
SCALE ?= 1
soak: $(BIN)/.perf
	$(BIN)/python perf/soak --scale $(SCALE)

# Stations, hubs and one shared limit, against the embedded server; a hub is killed.
demo-fleet: $(BIN)/.tools
	$(BIN)/python examples/fleet/demo.py

# The documentation site, in site/; a warning is an error.
docs: $(BIN)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# What of the package the tests reach, in this process and in those that they start.
coverage: $(BIN)/.tools
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(COVER)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# The suite with the oldest dependencies that pyproject.toml allows, in an environment of its own; but
# with today's httpx, with which tests compare: older ones quote paths otherwise, and need a loop.
LOWEST_BIN := $(BIN:.venv%=.venv-lowest%)
lowest:
	$(PYTHON) -m venv .venv-lowest
	$(LOWEST_BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOWEST_BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct -e .
	$(LOWEST_BIN)/uv pip install --quiet --python .venv-lowest -e ".[test]" "httpx>=0.28"
	$(LOWEST_BIN)/python -m pytest $(LOWEST)

# The types of pywats' blocking methods, from the sources of the installed pywats-api.
stub: $(BIN)/.tools
	$(BIN)/python tests/typing/stub.py

# What upstream makes of the answers in tests/faults, recorded anew.
record: $(BIN)/.tools
	cd tests && ../$(BIN)/python -m faults.record

# The pictures in docs/images anew, and the status page in a real browser; needs Debian's chromium.
pictures: $(BIN)/.browser
	$(BIN)/python tests/browser

test-browser: $(BIN)/.browser
	$(PYTEST) -m "" tests/browser

clean:
	rm -rf .venv .venv-lowest .wine site

$(BIN)/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(BIN)/.perf: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[perf]"
	touch $@

$(BIN)/.browser: $(BIN)/.tools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[browser]"
	touch $@

$(BIN)/.docs: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	touch $@

$(BIN)/.tools: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,lint]"
	touch $@
