"""``linecore simulate``: a folder of drawn steel, one sub-folder a label, with the true boxes beside them."""

from __future__ import annotations

import csv
import itertools
import json
from collections import Counter
from pathlib import Path

import click
import cv2
import numpy as np

from linecore.errors import ConfigError
from linecore.inspection import Image
from linecore.validation import did_you_mean
from linecore_plugins.steel.strip import LABELS, SteelFrame, roll_steel

COLUMNS = ("image", "label", "xmin", "ymin", "xmax", "ymax")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write; new or empty.")
@click.option("--frames", type=click.IntRange(min=1), default=700, show_default=True, help="How many, over all labels.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed, the same frames."
)
@click.option("--size", type=click.IntRange(64, 4096), default=200, show_default=True, help="Pixels a side.")
@click.option("--labels", default=",".join(LABELS), show_default=True, help="Which, separated by commas; in turn.")
@click.option("--json", "as_json", is_flag=True, help="Say what was written as one JSON object.")
def simulate(out: Path, frames: int, seed: int, size: int, labels: str, as_json: bool) -> None:
    """Draw hot-rolled steel, clean ("ok") or with a defect, into a folder for training and trying out.

    Writes OUT/<label>/<label>_<n>.png and OUT/boxes.csv (pixels, 1-based, inclusive). Each coil is one frame of each
    label long and has a surface of its own, so neighbours in number are not neighbours on the strip.

    \b
    Example:
      linecore simulate --out steel --frames 700 --seed 1
      linecore simulate --out scratched --frames 50 --labels ok,scratches
    """
    wanted = parse_labels(labels)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out is '{out}', which is not an empty folder; name a new one")
    turns = itertools.islice(itertools.cycle(wanted), frames)
    written: Counter[str] = Counter()
    rows: list[tuple[str, str, int, int, int, int]] = []
    for label in wanted[:frames]:
        (out / label).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for frame in roll_steel(rng, turns, width=size, height=size, coil_frames=len(wanted)):
        label = frame.truth.label
        written[label] += 1
        name = f"{label}/{label}_{written[label]}.png"
        (out / name).write_bytes(png(frame.image))
        rows += box_rows(name, frame)
    with (out / "boxes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    if as_json:
        click.echo(json.dumps({"out": str(out), "seed": seed, "frames": written, "boxes": len(rows)}))
    else:
        counted = ", ".join(f"{count} {label}" for label, count in written.items())
        click.echo(f"{frames} frames in {out}: {counted}; {len(rows)} boxes in {out / 'boxes.csv'}")


def parse_labels(text: str) -> tuple[str, ...]:
    """Return the labels in *text*, each once; raises ConfigError where one is not known."""
    labels = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for label in labels:
        if label not in LABELS:
            hint = did_you_mean(label, LABELS) or f"; known are {', '.join(LABELS)}"
            raise ConfigError(f"--labels names {label!r}, which is not a label of drawn steel{hint}")
    if not labels:
        raise ConfigError(f"--labels is empty; name some of {', '.join(LABELS)}")
    return labels


def png(image: Image) -> bytes:
    """Return *image* as the bytes of a PNG file."""
    return cv2.imencode(".png", image)[1].tobytes()


def box_rows(name: str, frame: SteelFrame) -> list[tuple[str, str, int, int, int, int]]:
    """Return the rows of boxes.csv for one frame: 1-based, inclusive pixels."""
    return [(name, frame.truth.label, x0 + 1, y0 + 1, x1, y1) for x0, y0, x1, y1 in frame.truth.boxes]
