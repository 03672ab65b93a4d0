# What people type: each target calls the tool that does the work (SwiftPM, Python, cmake), and builds nothing itself.
# Stamps and file times keep repeated runs quick. Python tools live in .venv, which Tests/environment.py fills.

PYTHON ?= python3
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR ?=

version_part = $(shell sed -n 's/^\#define MARTLET_VERSION_$(1) //p' include/martlet.h)
VERSION := $(call version_part,MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
ABI := $(shell sed -n 's/^\#define MARTLET_ABI //p' include/martlet.h)

FOLDER := build/lib
LIBRARY := $(FOLDER)/libmartlet.so.$(VERSION)
ARCHIVE := $(FOLDER)/libmartlet.a
PACKAGE := $(FOLDER)/cmake/Martlet/MartletConfig.cmake
SOURCES := Package.swift $(shell find -L Sources include -type f)
VENV := .venv
IN_VENV := MARTLET_LIBRARY=$(CURDIR)/$(FOLDER)/libmartlet.so.$(ABI) PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(VENV)/bin/python

.PHONY: all lib test suites demo curves bench measurements parity table learning losses lint format install uninstall clean help
.DELETE_ON_ERROR:

all: lib

help:
	@echo 'make [lib]   the libraries, in $(FOLDER)          make demo    torch.optim.Adam against martlet.torch.Adam'
	@echo 'make test    every test                        make bench   the benchmarks (ARGS=--quick; ARGS="--only family")'
	@echo 'make parity  the errors of every algorithm beside those of other libraries, in docs/parity.md'
	@echo 'make learning  whether models learn as well in few bits, in docs/learning.md'
	@echo 'make lint    formatters and checkers           make format  lets the formatters rewrite the sources'
	@echo 'make install PREFIX=/usr/local DESTDIR=        make uninstall, with the same folders, undoes it'
	@echo 'make clean   removes what was built'
	@echo 'PYTHON=$(PYTHON) is the interpreter for tests, demo and benchmarks.'

lib: $(LIBRARY) $(ARCHIVE) $(PACKAGE)

$(LIBRARY): $(SOURCES)
	@.ci/swift-version
	@.ci/heartbeat 'building the library' swift build -c release --product martlet
	@mkdir -p $(FOLDER)
	strip --strip-unneeded -o $@ .build/release/libmartlet.so
	@ln -sf libmartlet.so.$(VERSION) $(FOLDER)/libmartlet.so.$(ABI)
	@ln -sf libmartlet.so.$(ABI) $(FOLDER)/libmartlet.so

# One stamp for each dependency group of bindings/python/pyproject.toml.
$(VENV)/%.stamp: bindings/python/pyproject.toml Tests/environment.py
	@.ci/heartbeat 'installing Python packages' $(PYTHON) Tests/environment.py $(VENV) $*
	@touch $@

# What is to come is said first, and the tools are looked for: nobody should wait for the build to learn that cmake is
# missing, or that gigabytes follow.
test:
	@$(PYTHON) Tests/tools.py $(VENV)
	@$(PYTHON) Tests/environment.py --ahead $(VENV) test
	@$(MAKE) --no-print-directory suites

# The examples with MPI are skipped where mpi4py cannot be had.
suites: lib $(VENV)/test.stamp
	@$(MAKE) --no-print-directory $(VENV)/mpi.stamp || echo 'mpi4py could not be installed; the rest goes on.'
	@.ci/heartbeat 'testing' Tests/run.sh $(CURDIR) $(FOLDER) $(VENV)

demo:
	@$(PYTHON) Tests/environment.py --ahead $(VENV) demo
	@$(MAKE) --no-print-directory curves

curves: $(LIBRARY) $(VENV)/demo.stamp
	@mkdir -p build/demo
	$(IN_VENV) Examples/python/digits.py --output build/demo/digits.png

# Peers that the benchmarks can do without: where these cannot be had, the report says so, and the next `make bench` tries
# again. DeepSpeed compiles its Adam at the first import.
$(VENV)/optimizers.stamp: $(VENV)/bench.stamp

$(VENV)/deepspeed.stamp: $(VENV)/bench.stamp
	$(VENV)/bin/python -m pip install --quiet ninja py-cpuinfo setuptools wheel
	$(VENV)/bin/python -m pip install --quiet --no-build-isolation deepspeed
	@touch $@

bench:
	@$(PYTHON) Tests/environment.py --ahead $(VENV) bench
	@$(MAKE) --no-print-directory measurements

measurements: $(LIBRARY) $(VENV)/bench.stamp
	@$(MAKE) --no-print-directory $(VENV)/deepspeed.stamp || echo 'DeepSpeed could not be installed; the rest goes on.'
	@$(MAKE) --no-print-directory $(VENV)/optimizers.stamp || echo 'Other optimizers could not be installed; the rest goes on.'
	$(IN_VENV) Benchmarks/compare.py $(ARGS)

parity:
	@$(PYTHON) Tests/environment.py --ahead $(VENV) parity
	@$(MAKE) --no-print-directory table

table: $(LIBRARY) $(VENV)/parity.stamp
	$(IN_VENV) -m pytest -q bindings/python/tests/test_convert.py
	$(IN_VENV) bindings/python/tests/parity.py --write

learning:
	@$(PYTHON) Tests/environment.py --ahead $(VENV) learning
	@$(MAKE) --no-print-directory losses

losses: $(LIBRARY) $(VENV)/learning.stamp
	$(IN_VENV) Benchmarks/learning.py --write $(ARGS)

lint: $(VENV)/lint.stamp
	@.ci/swift-version
	@.ci/lint $(VENV)

format: $(VENV)/lint.stamp
	swift format --in-place --recursive Package.swift Sources Tests Examples
	$(VENV)/bin/ruff check --fix --quiet .
	$(VENV)/bin/ruff format .

# How C programs find the library: bindings/c holds the templates, and the script that fills them.
INSTALL = bindings/c/install.sh $(1) $(FOLDER) $(VERSION) $(ABI)

$(ARCHIVE): $(LIBRARY) bindings/c/archive.sh
	bindings/c/archive.sh .build/release Sources/Martlet/exports.map $@

$(PACKAGE): include/martlet.h $(wildcard bindings/c/*)
	$(call INSTALL,cmake)

install uninstall: export PREFIX := $(PREFIX)
install uninstall: export LIBDIR := $(LIBDIR)
install uninstall: export INCLUDEDIR := $(INCLUDEDIR)
install uninstall: export DESTDIR := $(DESTDIR)

install: $(LIBRARY) $(ARCHIVE)
	@$(call INSTALL,install)

uninstall:
	@$(call INSTALL,uninstall)

clean:
	rm -rf .build .build-* build $(VENV) .mypy_cache .pytest_cache .ruff_cache
