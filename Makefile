# Two commands do everything: `make demo` and `make test`. Both need Python 3.11 or newer, no more.
# PYTHON lists candidates, best first; `make PYTHON=/path/to/python demo` names one.
PYTHON ?= python3.14 python3.13 python3.12 python3.11 python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
# The rooms whose types are checked strictly.
STRICT := $(addprefix src/chainrule/,core training trace chain proof writing gradcheck diagnosing tables tabular models cli lessons report formulas)
# Two test workers on two cores: a BLAS that starts threads of its own would only get in their way.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test test-portable bench clean lint types

help: ## list these verbs
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

demo: .venv/.base ## install, train a network on a real table, and show what it learned
	@$(BIN)/chainrule demo

test: .venv/.dev ## everything the CI runs: lint, format, types, tests
	@$(BIN)/python -m compileall -q src
	@$(MAKE) --no-print-directory -j 4 lint types kernels-float64 kernels-float32
	$(ONE_THREAD) $(BIN)/pytest -n 2 --dist worksteal

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy $(STRICT)

# Both workers would compile the kernels at the same moment if they were not there yet.
kernels-%:
	@$(BIN)/python -c 'import chainrule; chainrule.load_engine("$*")'

test-portable: .venv/.dev ## the tests again, with the kernels of other processors
	$(ONE_THREAD) $(BIN)/python tests/support/portable.py $(PYTEST)

bench: .venv/.bench ## time the engine and the estimators beside their peers; accuracy on real tables
	@mkdir -p build
	$(BIN)/python benchmarks/engine.py --json build/engine.json --picture build/engine.png $(BENCH)
	$(BIN)/python benchmarks/dropin.py
	$(BIN)/python benchmarks/accuracy.py --presets strong,ensemble

clean: ## remove the environment, caches and builds
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# Stamps are touched last, so an interrupted step leaves none and is done again.
.venv/.made:
	@for python in $(PYTHON); do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  found=$$python; \
	  $$python -c 'import ensurepip, venv' 2>/dev/null || continue; \
	  $$python -m venv .venv && touch $@; exit; \
	done; \
	if [ "$$found" ]; then \
	  echo "$$found has no venv module: install it (Debian, Ubuntu: apt install $${found##*/}-venv)"; \
	else \
	  echo "No Python 3.11 or newer among '$(PYTHON)': install one, or make PYTHON=/path/to/python"; \
	fi >&2; exit 1

.venv/.base: .venv/.made pyproject.toml
	@echo "installing chainrule into .venv (about a minute, once)"
	@$(PIP) -e . && touch $@

.venv/.dev: .venv/.made pyproject.toml
	@echo "installing chainrule and its test tools into .venv (about a minute, once)"
	@$(PIP) --no-compile -e '.[dev]'
	@$(BIN)/python -m compileall -q -j 0 -x '/tests?/' .venv/lib || true
	@touch .venv/.base $@

.venv/.bench: .venv/.made pyproject.toml
	@echo "installing chainrule and what it is compared with into .venv (some minutes, once)"
	@$(PIP) torch==2.13.0 && $(PIP) -e '.[bench]' && touch .venv/.base $@
