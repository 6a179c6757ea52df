# Two commands must do on a machine with Python, pip and make: `make demo` and `make test`.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# `make test ARGS="tests/dicom -k deflate"`, `make fuzz SECONDS=3600`
ARGS    ?=
SECONDS ?= 60
# `make proof CYCLES=100 ARGS="-k receive_kill"`
CYCLES  ?= 1000
export PYTHON VENV

.PHONY: demo test check coverage bench proof fuzz fuzz-short lock format clean

demo: $(VENV)/.run
	@exec $(BIN)/leadglass demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_docs.py

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=term-missing:skip-covered $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python bench/run.py $(ARGS)

proof: $(VENV)/.dev
	$(BIN)/python -m pytest -p no:cacheprovider -s tests/proof --proof=$(CYCLES) $(ARGS)

fuzz-short:
	$(MAKE) fuzz SECONDS=60

fuzz: $(VENV)/.dev
	@$(BIN)/python fuzz/run.py --seconds $(SECONDS) $(ARGS)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Pins for what the project needs and what tests need; no index address ends up in them.
lock: $(VENV)/.dev
	$(BIN)/python -m pip install -q pip-tools
	$(BIN)/pip-compile -q --upgrade --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
		--strip-extras -o requirements/run.txt pyproject.toml
	$(BIN)/pip-compile -q --upgrade --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
		--strip-extras --extra dev -c requirements/run.txt -o requirements/dev.txt pyproject.toml

$(VENV)/.run: requirements/run.txt pyproject.toml scripts/setup.sh scripts/fetch_assets.py
	@sh scripts/setup.sh run

$(VENV)/.dev: requirements/dev.txt requirements/fuzz.txt pyproject.toml scripts/setup.sh scripts/fetch_assets.py tests/interop/dcmjs/package-lock.json
	@sh scripts/setup.sh dev

clean:
	rm -rf $(VENV) build dist src/*.egg-info src/leadglass/web/static/vendor
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .import_linter_cache .fuzz tests/interop/dcmjs/node_modules
