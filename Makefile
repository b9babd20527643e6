# Each target does everything that it needs, on a machine that has Python 3.11 or later and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint format docs model bench clean

# Run a line on simulated steel: verdicts, a history, overlays.
demo: .venv/demo
	rm -rf demo
	$(BIN)/linecore init demo --source simulator --name demo
	$(BIN)/linecore check demo/line.toml
	$(BIN)/linecore serve demo/line.toml --until-exhausted
	$(BIN)/linecore history --config demo/line.toml --limit 20
	@echo "history: demo/history.db   overlays: demo/evidence   next: docs/first-line.md"

# Run all tests.
test: .venv/dev
	$(BIN)/pytest

# Check style and types of source and tests.
lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Write what docs quote from the code: options, help texts.
docs: .venv/dev
	$(BIN)/cog -r -I docs docs/*.md README.md

# Train the bundled model again, into runs/neu: half an hour on two cores. NEU and WEIGHTS say where its data lies.
NEU ?= ../shared/data/neu
VARIANTS ?= float16
WEIGHTS ?= ../shared/data/weights/mobilenet_v2_1.0_imagenet_no_top.weights.h5
model: .venv/dev
	rm -rf runs/simulated
	$(BIN)/linecore simulate --out runs/simulated --frames 2800 --seed 1
	$(BIN)/linecore train $(NEU) runs/simulated --weight simulated 0.3 --weights $(WEIGHTS) \
		--learning-rate 0.005 --patience 10 --epochs 30 --variants $(VARIANTS) --card models/cards/neu.toml \
		--name neu --out runs/neu --force

# Measure a frame's time beside MobileNetV2 1.0 at 224 px in int8, and write it into docs/benchmarks.md.
bench: .venv/dev
	$(BIN)/python -m linecore_models.benchmark --page docs/benchmarks.md

format: .venv/dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv demo dist

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@ .venv/demo
