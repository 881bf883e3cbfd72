# make help lists the targets.

ROS_DISTRO ?= jazzy
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# What is installed from this checkout; folders count too, for a deleted file changes theirs.
SOURCES := $(wildcard CMakeLists.txt package.xml pyproject.toml setup.py README.md) \
  $(shell find config launch models msg packaging pose_ros scripts srv -not -name '*.pyc' -not -name __pycache__)

# The environment is made anew for another ROS, another Python or another folder.
MADE_FOR := $(ROS_DISTRO) $(CURDIR)
ifneq ($(file <$(VENV)/made-for),$(MADE_FOR))
  STALE := yes
else ifdef PYTHON
  STALE := $(shell [ $(VENV)/bin/python -ef "$$(scripts/find_python $(PYTHON))" ] || echo yes)
endif

ifeq ($(wildcard requirements/$(ROS_DISTRO).txt),)
  $(error ROS_DISTRO=$(ROS_DISTRO): PyPI has jazzy and kilted; `make ROS_DISTRO=jazzy ...` sets up its own)
endif

# A ROS that is sourced in this shell would mix with the one in .venv.
ifdef AMENT_PREFIX_PATH
  unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1@\2/p' $(MAKEFILE_LIST) | expand -t 16 | tr @ '\t' | expand -t 16
	@echo 'ROS_DISTRO=jazzy|kilted (now $(ROS_DISTRO)); PYTHON=python3.x (3.10 to 3.12)'

.PHONY: setup
setup:  ## make .venv with ROS 2, the built package and the models; quick when up to date
	@mkdir -p build && flock build/lock $(MAKE) --silent $(VENV)/models

.PHONY: demo
demo: setup  ## camera -> pose -> overlay video; CAMERA=/dev/video0 or CLIP=file.mp4, else an actor; ROBOT=1
	@$(BIN)/pose-ros demo $(if $(CAMERA),--camera '$(CAMERA)') $(if $(CLIP),--clip '$(CLIP)') $(if $(ROBOT),--robot)

.PHONY: test
test: TESTS := -m 'not slow'
test: setup lint run-tests  ## lint, types and the tests that take minutes at most; PYTEST_ARGS=... for others

.PHONY: test-all
test-all: TESTS := --strict-skips
test-all: setup lint run-tests  ## lint, types and every test, as CI does; none is skipped unexpectedly

# A file stays in one process, which shares what it has drawn and loaded. Nodes have to be in time,
# so no more than two processes run them.
PARALLEL := --dist loadfile --no-loadscope-reorder
# The tests that run beside those over ROS: all, or those that .ci/run names.
BESIDE_ROS ?= --ignore=test/ros

.PHONY: run-tests
run-tests: setup
ifdef PYTEST_ARGS
	$(BIN)/pytest $(PYTEST_ARGS)
else
	$(BIN)/pytest -n $(or $(JOBS),auto) --maxprocesses 4 $(PARALLEL) $(TESTS) $(BESIDE_ROS)
	$(BIN)/pytest -n $(or $(JOBS),auto) --maxprocesses 2 $(PARALLEL) $(TESTS) test/ros
endif

# The library and the command line on a Python and a NumPy that are newer than those of PyPI's ROS.
.PHONY: pure
pure: PURE := build/pure-$(shell $(or $(PYTHON),python3) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
pure:  ## tests that need no ROS, without it; PYTHON=python3.14, PYTEST_ARGS=... for others
	@$(or $(PYTHON),python3) -m venv $(PURE)
	@$(PURE)/bin/python -m pip --disable-pip-version-check --quiet install -r requirements/pure.txt
	@$(PURE)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps .
	@$(PURE)/bin/pose-ros models get blazepose-full blazehand-full
	$(PURE)/bin/pytest -m 'not ros and not slow' --ignore=test/ros $(PYTEST_ARGS)

.PHONY: portable
portable: setup  ## tests of numbers, rounded as older processors do; PYTEST_ARGS=... for others
	$(BIN)/python -m tools.other_processors $(PYTEST_ARGS)

.PHONY: lint
lint: setup  ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: format
format: setup  ## let ruff format and mend what it can, and wrap the pages
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/python -m tools.wrap_pages README.md CONTRIBUTING.md docs/*.md docs/*/*.md

.PHONY: docs
docs: setup $(VENV)/docs  ## the site, in build/site; a warning, a dead link or a missing name is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -j auto docs build/site
	@echo 'build/site/index.html'

.PHONY: bench
bench: setup  ## speed in turns with MediaPipe's own Python; CLIP=file.mp4 or an actor
	$(BIN)/python -m benchmarks.speed $(or $(CLIP),synthetic)

.PHONY: parity
parity: setup  ## the landmarks against MediaPipe's own; CLIP=file.mp4 or an actor
	$(BIN)/python -m benchmarks.parity $(or $(CLIP),synthetic) --no-smoothing
	$(BIN)/python -m benchmarks.parity $(or $(CLIP),synthetic) --static --network blazehand-full --max-people 2

.PHONY: clean
clean:  ## remove all that was built; models stay in their cache
	rm -rf $(VENV) build dist install log *.egg-info .mypy_cache .pytest_cache .ruff_cache

ifdef STALE
.PHONY: $(VENV)/made-for
endif
$(VENV)/made-for: $(addprefix requirements/,build.txt common.txt $(ROS_DISTRO).txt)
	@python=$$(scripts/find_python $(PYTHON)) && \
	  echo "Setting up ROS 2 $(ROS_DISTRO) in $(VENV) with $$($$python --version); this takes a minute" && \
	  rm -rf $(VENV) build/cmake-* && $$python -m venv $(VENV)
	@$(PIP) install --no-compile -r requirements/$(ROS_DISTRO).txt
	@echo '$(MADE_FOR)' >$@

$(VENV)/installed: $(VENV)/made-for $(SOURCES)
	@echo 'Building and installing pose_ros'
	@$(PIP) install --no-build-isolation --no-deps .
	@touch $@

$(VENV)/docs: requirements/docs.txt $(VENV)/made-for
	@$(PIP) install --no-compile -r $<
	@touch $@

# Kept in the user's cache, so that another checkout has nothing to fetch.
$(VENV)/models: $(VENV)/made-for $(wildcard models/*.yaml) | $(VENV)/installed
	@$(BIN)/pose-ros models get blazepose-full blazehand-full
	@$(BIN)/pose-ros models get blazepose-lite blazehand-lite blazepose-heavy || echo 'Tests of blazepose-heavy are skipped'
	@touch $@
