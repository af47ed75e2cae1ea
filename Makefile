# Everything that a person does with this project; `make` alone says what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format sync lock clean

help: ## say what there is
	@echo "make TARGET, with TARGET one of"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile | expand -t 12

demo: setup ## run the embedded default and show what came out: start here
	@practise check --params-file params.yaml
	@practise demo

test: lint ## all that lint checks, and all tests
	@pytest -n auto --dist loadscope --no-loadscope-reorder -m "not timed"
	@pytest -m timed

lint: setup ## check format, lint, types, imports, and the code that each stage lists
	@ruff format --check --quiet . || { echo "make format puts that right"; exit 1; }
	@ruff check --quiet .
	@said=$$(lint-imports --no-cache 2>&1) || { echo "$$said"; exit 1; }
	@python tools/check_code.py || { echo "what a stage lists in dvc.yaml follows its imports"; exit 1; }
	@said=$$(snakefmt --check workflow 2>&1) || { echo "$$said"; echo "make format puts that right"; exit 1; }
	@said=$$(snakemake --lint 2>&1) || { echo "$$said"; exit 1; }
	@mypy --no-error-summary
	@echo "format, lint, types, imports and the stages' code: right"

format: setup ## put the format right
	@ruff format --quiet .
	@ruff check --quiet --fix .
	@snakefmt workflow 2> /dev/null

sync: setup ## make DVC and Snakemake agree, whichever ran last
	@practise sync

setup: $(READY) ## install everything into .venv

$(READY): requirements.txt requirements-dev.txt pyproject.toml tools/install
	@tools/install $(VENV) $(PYTHON)
	@touch $@

lock: setup ## choose the versions in requirements*.txt anew from pyproject.toml
	@for part in "" -dev; do \
	  uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header --no-emit-index-url \
	    --upgrade pyproject.toml $${part:+--extra dev} -o $(READY)$$part.txt; \
	done
	@{ sed -n '/^#/p' requirements.txt; cat $(READY).txt; } > $(READY).new && mv $(READY).new requirements.txt
	@{ sed -n '/^#/p' requirements-dev.txt; echo "-r requirements.txt"; grep -vxFf $(READY).txt $(READY)-dev.txt; } \
	  > $(READY).new && mv $(READY).new requirements-dev.txt

clean: ## remove what was made, but .venv and DVC's cache: `dvc checkout` brings results back
	@git clean -Xdfq results logs dvc_plots .snakemake .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find practise tests -name __pycache__ -type d -prune -exec rm -rf {} +
