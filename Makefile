# Everything here works on a fresh clone with Python 3.11+ and make; the second call of any target installs nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHECKED := engine controlroom chaos infra tests main.py
# What Qt and VTK need of Debian or Ubuntu, beside their wheels, to show a window on a screen that is none.
SCREEN := xvfb libgl1 libegl1 libgl1-mesa-dri libopengl0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 \
	libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1
# The real counterparts of the telemetry doors.
SERVERS := prometheus prometheus-alertmanager
PIN_EXTRAS := dev window aws deploy
EVERYTHING := $(VENV)/.everything
# Quick, and it compiles nothing; where only pip was told of an index, pip does it.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile
# Who sets it means folders that cannot be written; ours can, and each process would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE
install = $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes $(1) || $(PIP) $(1)
# A tenth of the CDK's library is used. Compiled, it is imported in 0.6 s of processor time instead of 4.7, and the
# emulator is up after 0.3 instead of 1.8.
define compile
$(BIN)/python -c 'from infra.tools import use_our_node; use_our_node(); import boto3, infra.blueprint, ministack.app'
@$(BIN)/python -m compileall -q $(VENV)/lib/python3.*/site-packages/ministack
endef
# What reaches every line and branch of the consensus core.
CORE_TESTS := tests/unit/consensus tests/scripts $(patsubst %,tests/simulate/test_scenarios_%.py,epochs faults view_change)
CHECKS := check-format check-lint check-mypy check-basedpyright check-imports check-words

.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.PHONY: run window screenshots test coverage screen check $(CHECKS) bench fmt pins clean venv

# exec: no shell stays between the terminal and the program, so stdin and Ctrl-C reach it untouched.
run: $(VENV)/.base
	@exec $(BIN)/python main.py up --drill demo

# A live incident in the 3D window: closing it ends everything.
window: $(VENV)/.window
	@exec $(BIN)/python main.py up --drill demo --window --plain

# Tests marked `fleet` start real processes and mostly wait for them: two files at a time, in order, so that no
# long one comes last.
test: $(EVERYTHING) screen coverage
	@mkdir -p build
	@echo "== tests without processes"
	@$(BIN)/python -m pytest -m "not fleet" -n 2 --dist worksteal $(CORE_TESTS:%=--ignore=%) --junitxml=build/tests.xml
	@echo "== tests with real processes"
	@$(BIN)/python -m pytest -m fleet -n 2 --dist loadfile --no-loadscope-reorder --junitxml=build/tests-fleet.xml

# Part of `test`, in which these tests run only once: fails below 100 %, and nothing can be excluded from that.
coverage: $(EVERYTHING)
	@mkdir -p build
	@echo "== the consensus core: every line, every branch"
	@$(BIN)/python -m pytest $(CORE_TESTS) -n 2 --cov --cov-config=tests/consensus.coveragerc

# The tests of the window start a virtual screen themselves, those of the doors a Prometheus, if the system has them.
screen:
	@if ! command -v dpkg-query >/dev/null; then \
		command -v Xvfb >/dev/null || { echo "the window's tests need a virtual screen: install Xvfb" >&2; exit 1; }; \
		exit 0; \
	fi; \
	missing=$$(for name in $(SCREEN) $(SERVERS); do \
		dpkg-query --show --showformat='$${db:Status-Status}' $$name 2>/dev/null | grep -qx installed || echo $$name; done); \
	if test -z "$$missing"; then exit 0; fi; \
	if test "$$(id -u)" != 0; then \
		echo "the tests need more of this system: apt-get install --no-install-recommends "$$missing >&2; exit 1; \
	fi; \
	echo "installing "$$missing; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null

# All of them, whatever one of them says; fails where one has missed an aim.
bench: $(VENV)/.base
	@mkdir -p build; missed=""; for subject in $$($(BIN)/python main.py bench --list); do \
		echo "== bench $$subject"; \
		$(BIN)/python main.py bench $$subject --json build/bench-$$subject.json || missed="$$missed $$subject"; \
	done; test -z "$$missed" || { echo "an aim was missed:$$missed" >&2; exit 1; }

# The pictures of the 3D window in the documentation; needs no screen.
screenshots: $(VENV)/.window
	$(BIN)/python main.py screenshots

# Two at a time: the two type checkers take a core each, and nearly all of the time.
check: $(EVERYTHING)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(CHECKS)

check-format:
	@echo "== ruff format --check" && $(BIN)/ruff format --check $(CHECKED)

check-lint:
	@echo "== ruff check" && $(BIN)/ruff check $(CHECKED)

check-mypy:
	@echo "== mypy --strict" && $(BIN)/mypy

check-basedpyright:
	@echo "== basedpyright" && $(BIN)/basedpyright

check-imports:
	@echo "== lint-imports" && $(BIN)/lint-imports

check-words:
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
	@$(PIP) --requirement requirements-uv.txt
	@touch $@

# What every process of a run imports is compiled now, and not by ten of them at once.
$(VENV)/.base: requirements.txt $(VENV)/.made
	@echo "installing $< (once)"
	@UV_COMPILE_BYTECODE=1 $(call install,--requirement $<)
	@touch $@

$(VENV)/.dev $(VENV)/.window: $(VENV)/.%: requirements-%.txt $(VENV)/.base
	@echo "installing $< (once)"
	@$(call install,--requirement $<)
	@touch $@

$(EVERYTHING): $(PIN_EXTRAS:%=requirements-%.txt) $(VENV)/.base
	@echo "installing what checks and tests need (once; up to a minute)"
	@$(call install,$(PIN_EXTRAS:%=--requirement requirements-%.txt))
	@$(compile)
	@touch $@ $(VENV)/.dev $(VENV)/.window

# Keeps the pinned versions that still fit; `make pins UPGRADE=--upgrade` takes the newest of everything.
# All extras are resolved together first and constrain each file, so that any file can be installed over any other.
pins: $(VENV)/.made
	@set -e; mkdir -p build; cat requirements*.txt > build/pins.txt; \
	compile="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --no-annotate"; \
	$$compile $(UPGRADE) --group installer --output-file requirements-uv.txt; \
	$$compile pyproject.toml $(UPGRADE) --all-extras --output-file build/pins.txt; \
	for extra in "" $(PIN_EXTRAS); do \
		file="requirements$${extra:+-$$extra}.txt"; echo "pinning $$file"; \
		$$compile pyproject.toml --upgrade $${extra:+--extra $$extra} --constraints build/pins.txt --output-file $$file; \
	done

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov
	find engine controlroom chaos infra tests -name __pycache__ -type d -prune -exec rm -rf {} +
