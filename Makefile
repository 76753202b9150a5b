# Every target does its own set-up: a .venv made from nothing but Python and make.
PYTHON ?= python3
PYTEST ?= $(BIN)/python -m pytest

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

.PHONY: demo test lint typecheck perf clean

demo: $(BIN)/.installed
	$(BIN)/python -m pywats_green demo

test: $(BIN)/.tools
	$(PYTEST)

lint: $(BIN)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(BIN)/.tools
	$(BIN)/mypy

perf: $(BIN)/.tools
	$(PYTEST) perf -s

clean:
	rm -rf .venv

$(BIN)/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(BIN)/.tools: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,lint]"
	touch $@
