# Every target does its own set-up; a set-up that is up to date needs no network.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS := train,report,test,lint,docs,bench
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help train test browser-test parity mutation promises exactness false-cuts drills fuzz forecast bench bench-policies lint docs clean

help:
	@echo "make train   train the embedded digits task and leave a run directory in runs/"
	@echo "make test    all tests, doctests, examples and documentation code"
	@echo "make browser-test  the report's page in Chromium, which has to be on the path"
	@echo "make parity  compare with PyTorch and other libraries, in an environment of its own (Python 3.11)"
	@echo "make mutation  mutate schedules and policies, and print how many mutants the tests notice (some hours)"
	@echo "make promises  run the tests of every promise, and write their page"
	@echo "make exactness  how far every schedule is from float64, in float32 ulp"
	@echo "make forecast ARGS=FOLDER  laws and the decay oracle on public loss curves in a folder"
	@echo "make false-cuts  how often plateau rules cut while the loss still falls, and how long they wait (a quarter of an hour)"
	@echo "make bench   time and memory beside plain flax and optax"
	@echo "make bench-policies  rules for the rate, tuned alike and compared on eight small tasks (an hour and a half)"
	@echo "make drills  kill a training 50 times, lose processes of others, restore every schedule and policy, and compare with runs that nobody disturbed (an hour)"
	@echo "make fuzz    random sequences of everything that can happen to a rate, beside a float64 model; SEQUENCES=100 per structure"
	@echo "make lint    ruff and mypy"
	@echo "make docs    the documentation, warnings as errors, into docs/_build/html"
	@echo "Choose the interpreter with PYTHON=python3.13 VENV=.venv-3.13"

$(READY): pyproject.toml src/rheostax/_version.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rheostax needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

train: $(READY)
	$(BIN)/rheostax train $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -n 2 $(ARGS)

browser-test: $(READY)
	@$(BIN)/python -c 'import shutil, sys; names = "chromium", "chromium-browser", "google-chrome"; sys.exit(None if any(map(shutil.which, names)) else "make browser-test needs Chromium on the path: apt-get install chromium, or the like")'
	$(BIN)/python -m pip install --quiet --editable '.[browser]'
	$(BIN)/python -m pytest tests/report/test_browser.py $(ARGS)

# The libraries that are compared with are there for this Python alone.
PARITY_VENV := .venv-parity
PARITY_READY := $(PARITY_VENV)/.ready

$(PARITY_READY): pyproject.toml src/rheostax/_version.py
	$(PYTHON) -m venv $(PARITY_VENV)
	$(PARITY_VENV)/bin/python -m pip install --quiet --editable '.[parity]'
	@touch $@

parity:
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
		$(MAKE) --no-print-directory $(PARITY_READY) && \
		$(PARITY_VENV)/bin/python -m pytest -n 2 tests/parity $(ARGS); \
	else \
		echo "make parity: nothing compared; the other libraries are installed for Python 3.11, and this is $$($(PYTHON) --version)"; \
	fi

# Its package brings a dozen others, which nothing else needs.
MUTATION_READY := $(VENV)/.ready-mutation

$(MUTATION_READY): $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[mutation]'
	@touch $@

mutation: $(MUTATION_READY)
	$(BIN)/python -m benchmarks.mutation $(ARGS)

promises: $(READY)
	$(BIN)/python -m benchmarks.promises $(ARGS)

exactness: $(READY)
	$(BIN)/python -m benchmarks.exactness $(ARGS)

drills: $(READY)
	$(BIN)/python -m benchmarks.drills.kill $(ARGS)
	$(BIN)/python -m benchmarks.drills.process_loss
	$(BIN)/python -m benchmarks.drills.resume

SEQUENCES ?= 100

fuzz: $(READY)
	RHEOSTAX_FUZZ=$(SEQUENCES) $(BIN)/python -m pytest -n 0 -rP tests/fuzz/test_state_machine.py $(ARGS)

forecast: $(READY)
	$(BIN)/python -m benchmarks.forecast $(ARGS)

false-cuts: $(READY)
	$(BIN)/python -m benchmarks.false_cuts $(ARGS)

bench: $(READY)
	$(BIN)/python -m benchmarks $(ARGS)

bench-policies: $(READY)
	$(BIN)/python -m benchmarks.policies $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) .venv-* docs/_build runs
