# Each target does everything that it needs, on a machine that has Python 3.11 or later and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint format docs model card novelty bench bench-history torture clean

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

# Where the data of the bundled model lies: a folder of NEU images with its boxes, and pictures of another surface.
NEU ?= ../shared/data/neu
OTHER ?= ../shared/data/other/pcb
WEIGHTS ?= ../shared/data/weights/mobilenet_v2_1.0_imagenet_no_top.weights.h5

# Train the bundled model again, into runs/neu: hours on two cores. Each part begins from the one before.
LEARN = $(BIN)/linecore train $(NEU) runs/simulated --boxes $(NEU)/boxes.csv --boxes runs/simulated/boxes.csv \
	--weight simulated 0.4 --per-epoch simulated 250 --per-epoch $(notdir $(NEU))/ok 400 \
	--spread crazing --spread pitted_surface --card models/cards/neu.toml --name neu --force
model: .venv/dev runs/simulated
	$(LEARN) --weights $(WEIGHTS) $(FIRST) --variants float16 --version 1 --out runs/first
	$(LEARN) --weights runs/first $(SECOND) --variants int8 --version 3 --out runs/second
	$(LEARN) --weights runs/second $(THIRD) --variants int8,float16 --version 4 --out runs/neu
FIRST ?= --fine-tune-epochs 98 --patience 60
SECOND ?= --head-epochs 1 --fine-tune-epochs 190 --patience 190 --head-rate 6e-4 --fine-tune-rate 6e-5
THIRD ?= --prune 0.42 --input-size 160 --head-epochs 1 --fine-tune-epochs 75 --patience 75 --head-rate 4e-4 --fine-tune-rate 4e-5

# Measure the bundled model on what it has never seen, and write the figures into its card.
card: .venv/dev
	rm -rf runs/drawn
	$(BIN)/linecore simulate --out runs/drawn --frames 420 --seed 4711
	$(BIN)/python -m linecore_models.model_card $(NEU) runs/drawn --boxes $(NEU)/boxes.csv --unknown $(OTHER) \
		--readings models/cards/neu-box-free.csv --page docs/model-card.md

# Compare ways to measure novelty, on the bundled model and what it was made from.
novelty: .venv/dev runs/simulated
	$(BIN)/python -m linecore_models.novelty_study $(NEU) runs/simulated --boxes $(NEU)/boxes.csv

# Measure a frame's time beside MobileNetV2 1.0 at 224 px in int8, and write it into docs/benchmarks.md.
bench: .venv/dev
	$(BIN)/python -m linecore_models.benchmark --page docs/benchmarks.md

# Ask and purge a history of ten million inspections in SQLite and PostgreSQL, and write the figures into the same page.
bench-history: .venv/dev
	$(BIN)/python -m tests.torture.bench_history --page docs/benchmarks.md

# Take its world away from a line, for an hour and a half, and count what is lost; PROOFS="kill soak" names some of the
# proofs, QUICK=--quick shortens them.
torture: .venv/dev
	$(BIN)/python -m tests.torture $(PROOFS) $(QUICK) --page docs/torture.md

runs/simulated: | .venv/dev
	$(BIN)/linecore simulate --out $@ --frames 2800 --seed 1

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
