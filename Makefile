# Everything here works on a fresh clone with Python 3.11+ and make; the second call of any target installs nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHECKED := engine controlroom chaos infra tests main.py
# Exact, so that two people who regenerate the pins on the same day get the same files.
UV_VERSION := 0.13.9
PIN_EXTRAS := dev window aws deploy
EVERYTHING := $(addprefix $(VENV)/.,$(PIN_EXTRAS))
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement

.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.PHONY: run test check bench fmt pins clean venv

# exec: no shell stays between the terminal and the program, so stdin and Ctrl-C reach it untouched.
run: $(VENV)/.base
	@exec $(BIN)/python main.py up --drill demo

# Tests marked `fleet` start real processes and measure them: they run one at a time, after the others.
test: $(EVERYTHING)
	@mkdir -p build
	@echo "== tests without processes"
	@$(BIN)/python -m pytest -m "not fleet" -n 2 --junitxml=build/tests.xml
	@echo "== tests with real processes"
	@$(BIN)/python -m pytest -m fleet --junitxml=build/tests-fleet.xml

# All of them, whatever one of them says; fails where one has missed an aim.
bench: $(VENV)/.base
	@mkdir -p build; missed=""; for subject in $$($(BIN)/python main.py bench --list); do \
		echo "== bench $$subject"; \
		$(BIN)/python main.py bench $$subject --json build/bench-$$subject.json || missed="$$missed $$subject"; \
	done; test -z "$$missed" || { echo "an aim was missed:$$missed" >&2; exit 1; }

check: $(EVERYTHING)
	@echo "== ruff format --check" && $(BIN)/ruff format --check $(CHECKED)
	@echo "== ruff check" && $(BIN)/ruff check $(CHECKED)
	@echo "== mypy --strict" && $(BIN)/mypy
	@echo "== basedpyright" && $(BIN)/basedpyright
	@echo "== lint-imports" && $(BIN)/lint-imports
	@echo "== codespell" && git ls-files -z | xargs -0 $(BIN)/codespell

fmt: $(VENV)/.dev
	$(BIN)/ruff check --fix-only --quiet $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

# The environment with everything that `test` and `check` need, without running them.
venv: $(EVERYTHING)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 15) else \
		"Python 3.11 to 3.14 is needed, this is %d.%d: make PYTHON=python3.11" % sys.version_info[:2])'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: requirements.txt $(VENV)/.made
	@echo "installing $< (once)"
	@$(INSTALL) $<
	@touch $@

$(VENV)/.dev $(VENV)/.window $(VENV)/.aws $(VENV)/.deploy: $(VENV)/.%: requirements-%.txt $(VENV)/.base
	@echo "installing $< (once)"
	@$(INSTALL) $<
	@touch $@

# Keeps the pinned versions that still fit; `make pins UPGRADE=--upgrade` takes the newest of everything.
# All extras are resolved together first and constrain each file, so that any file can be installed over any other.
pins: build/uv/.made
	@set -e; cat requirements*.txt > build/pins.txt; \
	compile="build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --no-annotate pyproject.toml"; \
	$$compile $(UPGRADE) --all-extras --output-file build/pins.txt; \
	for extra in "" $(PIN_EXTRAS); do \
		file="requirements$${extra:+-$$extra}.txt"; echo "pinning $$file"; \
		$$compile --upgrade $${extra:+--extra $$extra} --constraints build/pins.txt --output-file $$file; \
	done

build/uv/.made: Makefile
	@$(PYTHON) -m venv build/uv
	@build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov
	find engine controlroom chaos infra tests -name __pycache__ -type d -prune -exec rm -rf {} +
