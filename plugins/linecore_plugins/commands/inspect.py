"""``linecore inspect``: image files in, verdicts out."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from threading import Event as Flag

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from linecore.commands.finite import FiniteRange
from linecore.config import LineConfig, LineSettings, PluginTable
from linecore.decision import DecisionRules
from linecore.errors import ConfigError, ModelError
from linecore.formats import IMAGE_SUFFIXES
from linecore.hookspecs import hookimpl
from linecore.inspection import Decision, Frame, Inspection
from linecore.journal_settings import JournalSettings
from linecore.line import Line
from linecore.messages import Json, inspection_message
from linecore.plugins import create_plugin
from linecore.text import natural, printable
from linecore_models.bundle import find_bundle, load_bundle
from linecore_plugins.console import DECISION_STYLES
from linecore_plugins.files import jpeg, png, write_atomically
from linecore_plugins.overlay import overlay

AT_ONCE = 64  # files that are in memory together
_KEYS = ("decision", "label", "confidence", "scores", "novelty", "reason", "regions", "peak", "latency_ms")


class PathSource:
    """The source of this command's line: the files that were named, read one after the other."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._line: Line

    @hookimpl
    def start(self, line: Line) -> None:
        """Keep the line, which makes the frames."""
        self._line = line

    @hookimpl
    def frames(self, stopping: Flag) -> Iterator[Frame]:
        """Yield each file, encoded."""
        for number, path in enumerate(self._paths):
            if stopping.is_set():
                return
            yield self._line.frame(self, str(number), encoded=_read(path), origin=str(path))


@click.command(epilog="Example: linecore inspect images/ --json --heatmaps heatmaps/")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--model", default="neu", show_default=True, help="A bundled model, or the folder of your own.")
@click.option("--classifier", type=click.Choice(["tflite", "keras"]), default="tflite", show_default=True)
@click.option("--variant", default=None, help="Variant of the model that tflite runs [default: auto].")
@click.option(
    "--min-confidence",
    type=FiniteRange(0, 1),
    default=None,
    help="Less confident: UNCERTAIN. [default: the model's own, or 0.8]",
)
@click.option(
    "--max-novelty",
    type=FiniteRange(0, 1),
    default=None,
    help="More novel: UNCERTAIN. [default: the model's own, or not looked at]",
)
@click.option(
    "--pass-label",
    "pass_labels",
    multiple=True,
    help="Label of good product, may be repeated. [default: the model's own, or ok]",
)
@click.option("--heatmaps", type=click.Path(path_type=Path, file_okay=False), help="Write heat maps and overlays here.")
@click.option(
    "--masks",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the regions' pixels here, white on black.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each image.")
def inspect(
    paths: tuple[Path, ...],
    model: str,
    classifier: str,
    variant: str | None,
    min_confidence: float | None,
    max_novelty: float | None,
    pass_labels: tuple[str, ...],
    heatmaps: Path | None,
    masks: Path | None,
    as_json: bool,
) -> None:
    """Inspect image files and folders of them, in sorted order, and print the verdicts.

    Where doubt begins and what is good product the model says; a line's file says it for itself.

    Exit code 1 where an image could not be judged.
    """
    source = PathSource(_image_files(paths))
    rules = _rules(model, min_confidence, max_novelty, pass_labels)
    line = _line(source, model, classifier, variant, rules)
    for folder in (heatmaps, masks):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    line.prepare()
    decisions: Counter[Decision] = Counter()
    stems: Counter[str] = Counter()
    table = Table("decision", "label", "confidence", "image", "reason", box=None, header_style="bold", pad_edge=False)
    try:
        for inspection in _inspections(line, source):
            decisions[inspection.verdict.decision] += 1
            if inspection.explanation is not None:
                stem = Path(str(inspection.frame.origin)).stem
                stems[stem] += 1
                _write_pictures(heatmaps, masks, stem if stems[stem] == 1 else f"{stem}-{stems[stem]}", inspection)
            if as_json:
                click.echo(json.dumps(_message(inspection)))
            else:
                table.add_row(*_row(inspection))
    finally:
        line.release()
    if not as_json:
        # Where there is no terminal, nothing is cut off to fit one.
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
        console.print(table)
        console.print(", ".join(f"{count} {decision}" for decision, count in decisions.most_common()))
    sys.exit(1 if decisions[Decision.NO_RESULT] else 0)


def _rules(
    model: str, min_confidence: float | None, max_novelty: float | None, pass_labels: tuple[str, ...]
) -> DecisionRules:
    """Return the rules that are asked for; where they are not, those that the model was measured to need."""
    try:
        manifest = load_bundle(find_bundle(model, Path.cwd())).manifest
    except ModelError as error:
        raise ModelError(f"--model: {error}") from None
    if max_novelty is not None and manifest.novelty is None:
        raise ConfigError(f"--max-novelty is {max_novelty:g}, and {manifest.name} measures no novelty; leave it out")
    rules = {
        "min_confidence": manifest.min_confidence if min_confidence is None else min_confidence,
        "max_novelty": manifest.max_novelty if max_novelty is None else max_novelty,
        "pass_labels": pass_labels or manifest.pass_labels or None,
    }
    return DecisionRules.model_validate({name: rule for name, rule in rules.items() if rule is not None})


def _line(source: PathSource, model: str, classifier: str, variant: str | None, rules: DecisionRules) -> Line:
    """Make a line of a source, a classifier and an explainer: what it finds out is printed, so it needs no sink."""
    options = {"model": model} | ({"variant": variant} if variant and classifier == "tflite" else {})
    settings = LineSettings(name="inspect", explain=tuple(Decision))
    tables = (PluginTable(classifier, classifier, options, options), PluginTable("gradcam", "gradcam", {}, {}))
    config = LineConfig(Path.cwd() / "none", "the command line", settings, rules, tables, JournalSettings(), (), "")
    plugins = {table.name: create_plugin(table, config) for table in tables}
    return Line(settings, {"paths": source, **plugins}, rules=rules, where=config.where)


def _image_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that *paths* name; a folder stands for the images in it, and in its folders, sorted."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            images = (one for one in path.rglob("*") if one.suffix.lower() in IMAGE_SUFFIXES and one.is_file())
            found = sorted(images, key=lambda one: natural(str(one)))
            if not found:
                raise ConfigError(f"PATH is '{path}', a folder without images ({', '.join(sorted(IMAGE_SUFFIXES))})")
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise ConfigError(f"PATH is '{path}', which does not exist; name an image or a folder of images")
    return files


def _read(path: Path) -> bytes:
    """Return the content of a file; one that cannot be read is an empty one, and so a NO_RESULT."""
    try:
        return path.read_bytes()
    except OSError as error:
        click.echo(f"{path} cannot be read: {error.strerror}", err=True)
        return b""


def _inspections(line: Line, source: PathSource) -> Iterator[Inspection]:
    """Yield the inspections in the order of the files, inspected in parallel."""
    frames = source.frames(Flag())
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        while batch := list(islice(frames, AT_ONCE)):
            yield from workers.map(line.inspect, batch)


def _message(inspection: Inspection) -> dict[str, Json]:
    message = inspection_message(inspection)
    return {"source": message["origin"], **{key: message[key] for key in _KEYS}}


def _row(inspection: Inspection) -> tuple[Text, ...]:
    verdict = inspection.verdict
    confidence = "" if verdict.confidence is None else f"{verdict.confidence:.3f}"
    return (
        Text(verdict.decision, DECISION_STYLES[verdict.decision]),
        Text(verdict.label or ""),
        Text(confidence),
        Text(printable(inspection.frame.origin or ""), overflow="fold"),
        Text(printable(verdict.reason or "")),
    )


def _write_pictures(heatmaps: Path | None, masks: Path | None, stem: str, inspection: Inspection) -> None:
    """Write the heat map, 8-bit and of the image's size, and the overlay beside it; and the mask of the regions."""
    explanation = inspection.explanation
    assert explanation is not None
    if heatmaps is not None:
        write_atomically(heatmaps / f"{stem}.png", png(np.rint(explanation.heatmap * 255).astype(np.uint8)))
        picture = overlay(inspection.frame.image, explanation, inspection.verdict)
        write_atomically(heatmaps / f"{stem}.overlay.jpg", jpeg(picture))
    if masks is not None and explanation.mask is not None:
        write_atomically(masks / f"{stem}.mask.png", png(explanation.mask))
