# Everything sets itself up: a fresh machine needs Python >= 3.11 and make, no compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
export TRIALSTREAM_DATA ?= $(CURDIR)/.trialstream
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: install demo test test-flaky test-long check bench compare wheels docs clean

install: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("trialstream needs Python 3.11 or newer; give one with: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[kafka]' --group dev
	@touch $@

# The main job: tune a real training script, about 20 trials, two at a time, the hopeless stopped early.
demo: $(READY)
	$(BIN)/trialstream run examples/digits.yaml
	$(BIN)/trialstream report digits --file digits.html
	@echo 'Look around: export TRIALSTREAM_DATA=$(TRIALSTREAM_DATA) PATH=$(CURDIR)/$(BIN):$$PATH; trialstream show digits'

# One process more than there are cores, for tests wait, too, or as many as ARGS='-n 4' says (tests/conftest.py says which test runs where). Linear
# algebra takes one thread of each: threads that share a core wait for one another forty times as long as they work.
PROCESSES = $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')
test test-flaky test-long: export OPENBLAS_NUM_THREADS = 1
test test-flaky test-long: export OMP_NUM_THREADS = 1

test: $(READY)
	$(BIN)/python -m pytest -q -n $(PROCESSES) $(ARGS)

# The same; what fails runs once more, alone, and what passes only then is named.
test-flaky: $(READY)
	$(BIN)/python -m tests.flaky -q -n $(PROCESSES) $(ARGS)

# All tests with all examples, seeds and rounds; what comes of it is recorded in tests/long.json, to be committed.
test-long: $(READY)
	$(BIN)/python -m tests.long -q -n $(PROCESSES) $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# make bench NAME=trials
bench: $(READY)
	$(BIN)/python -m benchmarks $(or $(NAME),trials)

# make compare REV=b29321e ARGS='trials --pairs 3 --quick'; without REV, with the revision in benchmarks/reference.
compare: $(READY)
	$(BIN)/python -m benchmarks compare $(or $(REV),--guard) $(ARGS)

# The distributions, into dist/: trialstream-report, trialstream, and trialstream-engine, which trialstream[local] brings along.
wheels: $(READY)
	$(BIN)/python -m deploy.wheels

# What is generated from the code: the JSON Schemas, what watches controllers, and tables in docs/.
docs: $(READY)
	$(BIN)/python -m events.schemas
	$(BIN)/python -m deploy.monitoring
	$(BIN)/python -m deploy.crds
	$(BIN)/python -m deploy.settings_table
	$(BIN)/python -m tests.katib_table
	$(BIN)/python -m tests.reading_order
	$(BIN)/python -m algorithms.conformance

clean:
	rm -rf $(VENV) .trialstream digits.html
