# The two commands of the README: make run, make test. Both set up .venv first and are safe to repeat.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test bench torture lint types check format dictionary constraints clean

run: .venv/ready
	$(BIN)/rvu run --sample
	$(BIN)/rvu show G0411

test: .venv/ready lint types
	$(BIN)/pytest --numprocesses auto --dist loadfile

# Measure speed, memory and file sizes against DuckDB, on the bundled sample, or on the releases under RVU_RELEASES.
bench: .venv/ready
	$(BIN)/python -m tests.bench

# Kill, fill, crowd and damage, and prove that nothing is lost: under 10 minutes, prints figures.
torture: .venv/ready
	$(BIN)/python -m tests.torture

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dictionary: .venv/ready
	$(BIN)/python -m pipeline.document > schemas/README.md.new && mv schemas/README.md.new schemas/README.md

# Pin what is installed now: names and versions only, no addresses.
constraints: .venv/ready
	$(BIN)/pip freeze --exclude-editable | grep '==' > constraints.txt

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
