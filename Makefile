SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin

# The interpreter the environment is made with; the first of python3.14, 3.13, 3.12, 3.11 and python3 that fits otherwise.
PYTHON ?=
export PYTHON
# What pytest is given: make test TESTS="tests/store -k npy"
TESTS ?=
# What the digits example is given: make demo DEMO="--rows 500"
DEMO ?=
# What benchmarks/run.py is given: make bench BENCH="chain --peers"
BENCH ?= start
# Whose output make cluster-logs prints; the last lines of each otherwise
LOGS ?=

.PHONY: help env env-demo check test test-cluster test-components test-slow format generated demo bench cluster cluster-down cluster-status \
	cluster-logs cluster-context lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env:  ## make the development environment in .venv, or leave it where nothing has changed
	@tools/environment.sh dev

env-demo:
	@tools/environment.sh demo

demo: env-demo  ## run the main example: sweep, distributed training, report, on real data
	@$(BIN)/python tools/demo.py $(DEMO)

check: env  ## run every gate: format, lint, types, layers, spelling, sizes, portability
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python tools/sizes.py
	$(BIN)/python tools/portable.py

test: check  ## run every gate, the fast tier of the tests, and those of a cluster where one is up and on CI
	@tools/test.sh $(TESTS)

test-cluster: env  ## run the tests that need a Kubernetes cluster, the slow ones too: the testbed, or a cluster of yours
	@[ -n "$${FAIRLEAD_TEST_KUBECONFIG:-}" ] || { $(MAKE) cluster && $(BIN)/python -m testbed context >/dev/null; }
	$(BIN)/python -m pytest -m cluster -n 4 $(TESTS)

test-components: env cluster  ## build the components that a testbed can do without, run their tests, and write docs/components.md
	$(BIN)/python -m testbed build buildkit kwok kuberay mpi-operator registry rootlesskit spark-operator tekton training-operator
	$(BIN)/python -m pytest -m components --junit-xml=build/components.xml $(TESTS); tested=$$?; \
	$(BIN)/python tools/components.py build/components.xml; exit $$tested

test-slow: env  ## run the tests of the slow tier
	$(BIN)/python -m pytest -m "slow and not cluster" $(TESTS)

format: env  ## rewrite the files as make check wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generated: env  ## renew what is made from the code: the JSON Schemas, the reference of the commands
	$(BIN)/python tools/schemas.py
	$(BIN)/python tools/cli_reference.py

bench: env  ## measure, for instance: make bench BENCH="chain --peers"
	@$(BIN)/python benchmarks/run.py $(BENCH)

cluster: env  ## start a real Kubernetes on this machine, or find that it runs; as root (docs/testbed.md)
	@$(BIN)/python -m testbed up

cluster-down: env  ## stop it, and take back every change of the machine
	@$(BIN)/python -m testbed down

cluster-status: env  ## what of it runs, and what is missing
	@$(BIN)/python -m testbed status

cluster-logs: env  ## what its processes wrote, for instance: make cluster-logs LOGS=kubelet
	@$(BIN)/python -m testbed logs $(LOGS)

cluster-context: env  ## print the command that tells Fairlead about it
	@$(BIN)/python -m testbed context

lock:  ## renew requirements/*.txt; PYTHONS names an interpreter of each version
	@test -n "$(PYTHONS)" || { echo 'give one of each: make lock PYTHONS="python3.11 python3.12 python3.13 python3.14"'; exit 2; }
	$(firstword $(PYTHONS)) tools/lock.py $(PYTHONS)

clean:  ## remove what make and the tools have made; runs and artifacts stay
	@if [ -e .venv ] && [ ! -e .venv/.made-by-fairlead ]; then echo "left alone: .venv, which make did not make"; else rm -rf .venv; fi
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
