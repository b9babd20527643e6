"""What `linecore evaluate` tells on a terminal, within 100 columns."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from linecore_models.conclusions import STRESS_WORST, Level, conclusions, level_above, percent
from linecore_models.measurements import HeatMaps, Measurements, Novelty, Stress, Thresholds
from linecore_models.tables import confusion_table, score_sentence

WIDTH = 100
MARKS: dict[Level, tuple[str, str]] = {
    "trust": ("good", "green"),
    "care": ("with care", "yellow"),
    "do not trust": ("do not trust", "bold red"),
}


def print_measurements(console: Console, found: Measurements) -> None:
    """Print what was measured, the answer first."""
    _say(console, f"{found.model} {found.version}, {found.variant}, {found.split}")
    for folder, score in found.metrics.folders.items():
        _say(console, f"{folder}: {score_sentence(score)}")
    if found.agreement:
        agreement = found.agreement
        _say(console, f"{found.variant} and {found.against} say the same of {agreement.agree} of {agreement.of}")
    answer = Table.grid(padding=(0, 2, 0, 0))
    for conclusion in conclusions(found):
        word, style = MARKS[conclusion.level]
        answer.add_row(f"[bold]{conclusion.about}[/bold]", f"[{style}]{word}[/{style}]", conclusion.sentence)
    console.print()
    console.print(answer, width=min(WIDTH, console.width), highlight=False)
    console.print()
    console.print(confusion_table(found.metrics, found.labels))
    if found.stress:
        console.print(stress_rows(found.stress))
    if found.heat_maps and found.heat_maps.mean:
        console.print(heat_map_rows(found.heat_maps))
    if found.novelty:
        console.print(novelty_rows(found.novelty))
    if found.thresholds:
        console.print(threshold_sentence(found.thresholds), width=min(WIDTH, console.width), highlight=False)


def stress_rows(stress: Stress) -> Table:
    """Return the stress table, what should not be trusted marked."""
    table = _table(f"under line conditions, {percent(stress.mean)} on average", "condition", "severity")
    for name in ("right", "share", "", "escapes"):
        table.add_column(name, justify="right")
    before = None
    for row in stress.rows:
        word, style = MARKS[level_above(row.accuracy.share, STRESS_WORST)]
        table.add_row(
            "" if row.condition == before else row.condition,
            row.severity,
            f"{row.accuracy.k} of {row.accuracy.n}",
            percent(row.accuracy.share),
            "" if word == "good" else f"[{style}]{word}[/{style}]",
            str(row.escapes.k) if row.escapes else "-",
        )
        before = row.condition
    return table


def heat_map_rows(maps: HeatMaps) -> Table:
    """Return where the heat maps of each label point."""
    table = _table("where heat maps point", "label")
    for name in ("images", "hit", "energy", "overlap", "of boxes", "luck"):
        table.add_column(name, justify="right")
    for label, one in [*maps.labels.items(), *([("mean", maps.mean)] if maps.mean else [])]:
        shares = (one.energy, one.mask_iou, one.box_iou, one.chance)
        table.add_row(label, str(one.images), percent(one.hit), *(f"{share:.2f}" for share in shares))
    return table


def novelty_rows(novelty: Novelty) -> Table:
    """Return how well each folder of other surfaces is told from the evaluated frames."""
    table = _table("other surfaces", "folder")
    for name in ("images", "AUROC", "false alarms at 95 %"):
        table.add_column(name, justify="right")
    for one in (*novelty.folders, *([novelty.together] if len(novelty.folders) > 1 else [])):
        alarms = f"{one.false_positives.k} of {one.false_positives.n}"
        table.add_row(one.folder, str(one.frames), f"{one.auroc:.4f}", alarms)
    return table


def threshold_sentence(thresholds: Thresholds) -> str:
    """Return the cheapest threshold, and what it comes to on the evaluated frames."""
    tried = thresholds.tried
    counts = {"escapes": tried.escapes, "overkill": tried.overkill, "to a person": tried.reviewed}
    told = ", ".join(f"{one.k} of {one.n} {name}" for name, one in counts.items() if one)
    source = "these very frames" if thresholds.chosen_by == "evaluated" else "the validation images"
    return f"cheapest by {source}: min_confidence = {thresholds.chosen.min_confidence:g}; with it {told}"


def _table(title: str, *names: str) -> Table:
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), title=title, title_justify="left")
    for name in names:
        table.add_column(name)
    return table


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, highlight=False, soft_wrap=True)
