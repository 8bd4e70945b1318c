# Nothing but CPython 3.11 is needed; `make demo` and `make test` install the rest into .venv and work again after that.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .peers
TENSORFLOW := .tensorflow
BUF := npm exec --yes --package=@bufbuild/buf@1.75.0 -- buf

.PHONY: demo test check docs protos bench peers phone tensorflow clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo    audit a real model on a real agent (first time: installs into $(VENV))"
	@echo "make test    run the tests; PYTEST_ARGS='-m \"not slow\"' skips the long ones"
	@echo "make check   ruff, mypy, import order, buf lint where npm is there"
	@echo "make docs    the documentation site, into site/"
	@echo "make bench   the benchmarks, ours and the alternative in one run"
	@echo "make phone   the emulated ARM64 phone and the agent's bundles, for its tests: made once, kept in the user's cache"
	@echo "make browser  Debian's Chromium, in which tests look at the report's page; EDGELEAK_CHROMIUM names another"
	@echo "make peers   other tools for the benchmarks, each in an environment of its own under $(PEERS)"
	@echo "make tensorflow  for edgeleak keras: TensorFlow, in environments of its own under $(TENSORFLOW)"
	@echo "make protos  regenerate the stubs from protos/edgeleak/v1/agent.proto"
	@echo "make clean   remove $(VENV), $(PEERS), $(TENSORFLOW), runs and caches"

define need_python
@command -v $(PYTHON) >/dev/null || { echo "make: CPython 3.11 is needed: $(PYTHON) was not found; set PYTHON=/path/to/python3.11" >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "make: $(PYTHON) is not CPython 3.11, for which the pinned versions are made" >&2; exit 1; }
endef

$(READY): pyproject.toml constraints.txt
	$(need_python)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/edgeleak demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -p no:benchmark $(PYTEST_ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if ! command -v npm >/dev/null; then echo "buf lint: skipped, npm is not installed"; \
	elif ! $(BUF) --version >/dev/null 2>&1; then echo "buf lint: skipped, npm could not fetch buf"; \
	else $(BUF) lint && echo "buf lint: clean"; fi

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

bench: $(READY)
	$(BIN)/python -m pytest benchmarks -s

# Debian's own packages, where whoever calls may install them; otherwise the commands say which are missing.
PHONE_PACKAGES := qemu-system-arm qemu-user adb g++ g++-aarch64-linux-gnu strace
phone: $(READY)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! dpkg -s $(PHONE_PACKAGES) >/dev/null 2>&1; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $(PHONE_PACKAGES) >/dev/null; fi
	$(BIN)/python -m device_agent.runtimes.executorch.build --arch x86_64 --out $(VENV)/shims/x86_64
	$(BIN)/python -m device_agent.runtimes.executorch.build --arch arm64 --out $(VENV)/shims/arm64
	$(BIN)/edgeleak bundle --arch arm64
	$(BIN)/edgeleak bundle --arch x86_64
	$(BIN)/edgeleak emulator build

CHROMIUM := $(or $(EDGELEAK_CHROMIUM),/usr/bin/chromium)
browser:
	@if [ ! -x "$(CHROMIUM)" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null; fi
	@test -x "$(CHROMIUM)" || { echo "make: there is no Chromium at $(CHROMIUM): install it, or set EDGELEAK_CHROMIUM" >&2; exit 1; }
	@"$(CHROMIUM)" --version

peers: $(PEERS)/art/.ready $(PEERS)/tfp/.ready $(PEERS)/tvm/.ready

# Their versions do not go with ours. All are pinned, so nothing is left to resolve; TF Privacy declares TensorFlow, which
# its threshold attack never imports.
$(PEERS)/%/.ready: benchmarks/peers/%.txt
	$(need_python)
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

tensorflow: $(TENSORFLOW)/main/.ready $(TENSORFLOW)/tfmot/.ready

# Two, because the optimization toolkit wants an older Keras beside the newer one. All is pinned, nothing left to resolve.
$(TENSORFLOW)/%/.ready: harness/export/keras/%.txt
	$(need_python)
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

protos: $(READY)
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. protos/edgeleak/v1/agent.proto

clean:
	rm -rf $(VENV) $(PEERS) $(TENSORFLOW) runs build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
