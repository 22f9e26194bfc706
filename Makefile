# What a person or CI calls. Everything installed lies in .venv, made when it is first needed.

PYTHON ?= python3
URL ?= http://localhost:8000
CENTRAL ?= http://localhost:8003
ARGS ?=
CURL := curl --noproxy '*' --fail-with-body -sS

# Whatever somebody has set: pip installs into .venv, a script imports what lies beside it, and
# file names are UTF-8.
export PIP_USER := 0
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONSAFEPATH PYTHONWARNINGS
export PYTHONUTF8 := 1

SERVICES := worker-server fast-server central-server
RUN_REQUIREMENTS := $(SERVICES:=/requirements.txt) testfiles/requirements-run.txt
PINNED := $(RUN_REQUIREMENTS:.txt=) testfiles/requirements-dev

PY := .venv/bin/python
INSTALL := $(PY) -m pip install -qq --disable-pip-version-check
COMPILE := piptools compile --quiet --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links

.PHONY: help run up down upload smoke samples bench status pause resume retry-failed chaos test test-compose check shared vendor lock clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | awk -F': ' '{ printf "  make %-14s%s\n", $$1, $$2 }'

run: .venv/run.stamp ## everything on this machine until Ctrl-C, as in make run WORKERS=3 PORT=9000
	@$(PY) testfiles/stack.py

up: ## everything in containers
	@sh testfiles/up.sh

down: ## end the containers
	@docker compose down

upload: .venv/run.stamp ## a folder of images up and the results back, as in make upload FOLDER=photos OUT=results
	@$(PY) testfiles/upload.py --url "$(URL)" --batch "$(BATCH)" -- "$$FOLDER" "$$OUT"

smoke: .venv/run.stamp ## try a running deployment, as in make smoke URL=... CENTRAL=... ARGS="--count 10"
	@$(PY) testfiles/test.py --url "$(URL)" --central "$(CENTRAL)" $(ARGS)

samples: .venv/run.stamp ## every format and option, before and after, on one page to look at
	@$(PY) testfiles/contact_sheet.py $(ARGS)

chaos: .venv/run.stamp ## kill and freeze a stack at random for 3 min, as in make chaos ARGS="--seconds 60 --seed 7"
	@$(PY) testfiles/chaos.py $(ARGS)

bench: .venv/run.stamp ## how fast it is, beside what it could be; ARGS=--quick for two minutes
	@$(PY) testfiles/bench.py $(ARGS)

status: ## what waits, who works on what, what failed, as in make status URL=http://localhost:9000
	@$(CURL) -H 'Accept: text/plain' "$(URL:/=)/stats"

pause: ## let the workers finish what they have and take no more; uploads are taken
	@$(CURL) -X POST "$(URL:/=)/pause" && echo

resume: ## let the workers go on
	@$(CURL) -X POST "$(URL:/=)/resume" && echo

retry-failed: ## rerun all that failed, or some, as in make retry-failed CODE=central_unreachable, or BATCH=...
	@$(CURL) -X POST "$(URL:/=)/media/retry?$(if $(CODE),code=$(CODE)&)$(if $(BATCH),batch=$(BATCH))" && echo

test: .venv/dev.stamp ## the whole suite except what needs Docker; ARGS="-m 'not slow'" in a few minutes
	@$(PY) -m pytest testfiles -m "not compose" $(ARGS)

test-compose: .venv/dev.stamp ## the tests of the containers
	@$(PY) -m pytest testfiles -m compose $(ARGS)

check: .venv/dev.stamp ## lint, format, types, tests
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check .
	@for folder in $(SERVICES); do \
		(cd $$folder && ../$(PY) -m mypy --config-file ../.mypy.ini .) || exit; done
	@MYPYPATH=testfiles:fast-server:worker-server:central-server $(PY) -m mypy --config-file .mypy.ini testfiles
	@$(MAKE) --no-print-directory test

shared: $(PY) ## copy what the services share from fast-server/shared, the original
	@$(PY) testfiles/shared_copies.py

vendor: $(PY) ## fetch again by npm what the page has of others, and compare
	@$(PY) testfiles/vendor.py

lock: .venv/lock.stamp ## pin what the requirements.in files name; ARGS=--upgrade for newer versions
	@for file in $(PINNED); do echo "pinning $$file.txt"; \
		(cd $$(dirname $$file) && ../$(PY) -m $(COMPILE) $(ARGS) $$(basename $$file).in) || exit; done

clean: ## remove .venv, .run and caches; images and logs stay
	@rm -rf .venv .run .samples .bench .screenshots .hypothesis
	@find . \( -name '.?*_cache' -o -name __pycache__ \) -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is not Python 3.11 or newer; name one that is: make run PYTHON=python3.12" >&2; exit 1; }
	@echo "making .venv with $(PYTHON)"
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
		echo "no venv, no pip? On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

.venv/run.stamp: $(PY) $(RUN_REQUIREMENTS)
	@echo "installing into .venv what running needs"
	@$(INSTALL) $(addprefix -r ,$(filter %.txt,$^))
	@touch $@

.venv/dev.stamp: .venv/run.stamp testfiles/requirements-dev.txt
	@echo "installing into .venv what testing needs"
	@$(INSTALL) -r testfiles/requirements-dev.txt
	@touch $@

.venv/lock.stamp: $(PY)
	@echo "installing into .venv what pinning needs"
	@$(INSTALL) pip-tools
	@touch $@
