# One line each: `make` lists them. Every target makes .venv first if it is not
# there or older than the lock; a second call starts at once.

LESSON ?=
ARGS ?=
# Any version the project supports; `make lab PYTHON=3.12` chooses one.
PYTHON ?= >=3.11,<3.14
MINUTES ?= 15
# Fetched into .uv/ only where no uv is on PATH.
UV_VERSION := 0.13.8
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)

BIN := .venv/bin
# Where torch comes from: empty is the package index's own build. A choice made
# once (UV_TORCH_BACKEND=cpu make lab) is kept in .venv and holds for later calls.
BACKEND := $(or $(UV_TORCH_BACKEND),$(shell cat .venv/torch-backend 2>/dev/null))
STAMP := .venv/installed$(addprefix -,$(BACKEND))
export UV_TORCH_BACKEND := $(BACKEND)
ifeq ($(BACKEND),)
unexport UV_TORCH_BACKEND
endif

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help lab demo check test fuzz bench bench-train reference-runs hostile build site times picture lint format lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

lab: $(STAMP) ## open the lessons in JupyterLab
	@echo "plusx: JupyterLab in notebooks/ (stop it with Ctrl-C)"
	@$(BIN)/jupyter lab --ServerApp.root_dir=notebooks \
	  --LabApp.default_url=/lab/tree/00_start/00_start.ipynb $(ARGS)

demo: $(STAMP) ## grade a small made-up class in every lesson: make demo LESSON=02 in one
	@echo "plusx: grading the made-up class"
	@$(BIN)/nbproctor demo $(LESSON) $(ARGS)

check: $(STAMP) ## grade your own notebook here and now: make check LESSON=02
	@test -n "$(LESSON)" || { echo "plusx: which lesson? For example: make check LESSON=02"; exit 2; }
	@echo "plusx: grading your notebook of lesson $(LESSON)"
	@$(BIN)/nbproctor check $(LESSON) $(ARGS)

test: $(STAMP) ## run every test: make test ARGS="-k build" runs some
	@echo "plusx: running the tests, one process per core"
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

fuzz: $(STAMP) ## look for inputs that break the grader: make fuzz MINUTES=60 looks longer
	@echo "plusx: fuzzing for about $(MINUTES) minutes"
	@FUZZ_MINUTES=$(MINUTES) $(BIN)/python -m pytest tests/fuzz -o timeout=0 --hypothesis-show-statistics $(ARGS)

bench: $(STAMP) ## measure how fast the grader is, and write docs/benchmarks.md
	@echo "plusx: measuring the grader (twelve minutes; keep the machine quiet)"
	@$(BIN)/nbproctor bench $(ARGS)

bench-train: $(STAMP) ## measure how fast training is, and write docs/benchmarks_train.md
	@echo "plusx: measuring training (six minutes and more; keep the machine quiet)"
	@$(BIN)/python -m plusx.bench_train --output docs/benchmarks_train.md $(ARGS)

reference-runs: $(STAMP) ## the papers' experiments at their own size, on a GPU; stopped, it goes on
	@echo "plusx: training at full scale into data/reference_runs/full_scale (hours on a GPU)"
	@$(BIN)/python -m plusx.full_scale $(ARGS)

hostile: $(STAMP) ## grade every attack, here and with stock nbgrader, and write docs/security.md
	@echo "plusx: grading attacks (half an hour on two cores; bubblewrap contains stock nbgrader)"
	@$(BIN)/python tests/hostile/table.py $(ARGS)

build: $(STAMP) ## make the notebooks from solutions/: make build LESSON=02 makes one
	@echo "plusx: building notebooks"
	@$(BIN)/nbproctor build $(LESSON) $(ARGS)
	@echo "plusx: setting papers beside ours in docs/papers.md"
	@$(BIN)/python docs/papers.py
	@echo "plusx: measuring the blocks of docs/residual_ideas.md"
	@$(BIN)/python docs/ideas.py

site: $(STAMP) ## make pages to read of lessons and documents, in site/
	@echo "plusx: making the site (about a minute; nothing is executed)"
	@$(BIN)/python -m docs.site $(ARGS)

times: $(STAMP) ## time each demonstration, cache empty: make times LESSON=02 does one lesson
	@echo "plusx: timing demonstrations (minutes; nothing is written)"
	@$(BIN)/nbproctor build $(LESSON) --times $(ARGS)

picture: $(STAMP) ## draw the README's picture anew
	@echo "plusx: drawing docs/gradients.png"
	@MPLBACKEND=agg $(BIN)/python -c "from plusx import plots; \
	  plots.gradient_panels(depth=50).savefig('docs/gradients.png', dpi=150, metadata={'Software': None})"

lint: $(STAMP) ## style, types, and notebooks in step with their sources
	@echo "plusx: ruff"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "plusx: mypy"
	@$(BIN)/mypy
	@echo "plusx: notebooks"
	@$(BIN)/nbproctor build --check
	@$(BIN)/python docs/papers.py --check
	@$(BIN)/python docs/ideas.py --check

format: $(STAMP) ## put the code into the project's format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

lock: $(UV) ## write requirements.lock anew: make lock ARGS=--upgrade takes newer versions
	@echo "plusx: resolving every extra for Python 3.11 to 3.13"
	@env -u UV_TORCH_BACKEND UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile pyproject.toml \
	  --universal --python-version 3.11 --all-extras --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock $(ARGS)

clean: ## remove the environment, caches, reports and the site (never notebooks or grades)
	@echo "plusx: removing .venv, .uv, caches, reports and site"
	@rm -rf .venv .uv dist reports site .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. From another backend than the index's own, torch is a build
# whose hash the lock cannot know: then torch and torchvision are taken at the
# locked version without a hash, and everything else exactly as locked.
TORCH_BUILD := ^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==
STEP := $(UV) pip install --quiet --python $(BIN)/python --compile-bytecode

$(STAMP): requirements.lock pyproject.toml | $(UV)
	@rm -f .venv/installed*
	@$(BIN)/python -c 'import sys' 2>/dev/null || { \
	  echo "plusx: making .venv with Python $(PYTHON) (on Linux 3 GB are fetched, once)"; \
	  $(UV) venv --quiet --clear --python '$(PYTHON)' .venv || { \
	    echo "plusx: found no Python $(PYTHON) and could not fetch one; install it, then try again"; exit 1; }; }
ifeq ($(BACKEND),)
	@echo "plusx: installing what requirements.lock names"
	@$(STEP) --no-deps --require-hashes -r requirements.lock || { \
	  echo "plusx: the packages could not be installed; uv's message above says which and why"; exit 1; }
else
	@echo "plusx: installing what requirements.lock names, torch from the $(BACKEND) backend"
	@awk '/^[a-z0-9]/ {skip = ($$0 ~ /$(TORCH_BUILD)/)} !skip' requirements.lock > .venv/without-torch.txt
	@awk '/^(torch|torchvision)==/ {print $$1}' requirements.lock > .venv/only-torch.txt
	@env -u UV_TORCH_BACKEND $(STEP) --no-deps --require-hashes -r .venv/without-torch.txt || { \
	  echo "plusx: the packages could not be installed; uv's message above says which and why"; exit 1; }
	@$(STEP) --reinstall-package torch --reinstall-package torchvision -r .venv/only-torch.txt || { \
	  echo "plusx: torch could not be had from the $(BACKEND) backend; uv's message above says why"; exit 1; }
	@echo $(BACKEND) > .venv/torch-backend
endif
	@$(STEP) --no-deps --no-build-isolation --editable . || { \
	  echo "plusx: this project itself could not be installed; the message above says why"; exit 1; }
	@touch $@
	@echo "plusx: the environment is ready"

.uv/bin/uv:
	@echo "plusx: fetching uv into .uv"
	@python3 -m venv .uv || { \
	  echo "plusx: python3 cannot make environments here; install uv, or your system's python3-venv package"; exit 1; }
	@.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { \
	  echo "plusx: uv could not be fetched; install it yourself and try again"; exit 1; }
