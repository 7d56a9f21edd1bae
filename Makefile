# One command makes what it needs: `make test` builds its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0

.PHONY: demo test lint docs test-runtime test-oldest test-newest resolve-aarch64 test-arm64 clean

test: $(VENV)/.ready
	$(VENV)/bin/python -m pytest

lint: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet $(TORCH) --editable '.[dev]'
	touch $@

# What a user has: the cpu extra and no torch. Ready after the first time, it needs no network.
demo: .venv-demo/.ready
	.venv-demo/bin/edgessd demo

.venv-demo/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install --quiet --editable '.[cpu]'
	touch $@

# The site, with every warning, dead link and dead anchor an error.
docs: .venv-docs/.ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict

.venv-docs/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --editable '.[docs]'
	touch $@

# The runtime alone, as a device has it: no torch. Oldest is what JetPack 6 brings.
test-oldest:
	$(MAKE) test-runtime VENV=.venv-oldest PYTHON=$(or $(OLDEST_PYTHON),python3.10) PACKAGES='opencv-python==4.8.* numpy==1.26.*'

test-newest:
	$(MAKE) test-runtime VENV=.venv-newest PYTHON=$(or $(NEWEST_PYTHON),python3.12) PACKAGES='opencv-python>=5 numpy>=2'

test-runtime: $(VENV)/.runtime
	$(VENV)/bin/python -m pytest tests/runtime

$(VENV)/.runtime: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable '.[cpu,openvino,streams,view,runtime-test]' $(PACKAGES)
	touch $@

# NVIDIA's Triton from its wheel, with edgessd inside, for the tests that start it. Its python backend needs NumPy 1.
.venv-triton/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-triton
	.venv-triton/bin/python -m pip install --quiet --upgrade pip
	.venv-triton/bin/python -m pip install --quiet --editable '.[cpu]' 'numpy<2' nvidia-pytriton 'tritonclient[grpc,http]'
	touch $@

# Every dependency for a Jetson's Pythons, from package metadata; nothing is installed.
resolve-aarch64: $(VENV)/.ready
	deploy/jetson/resolve.sh $(VENV)/bin/uv

# The wheel in an emulated Debian arm64, beside this machine; root, debootstrap and qemu are needed (docs/measurements/arm64.md).
test-arm64:
	deploy/arm64/run.sh

clean:
	rm -rf .venv .venv-demo .venv-docs .venv-oldest .venv-newest build dist site
