"""What readers see on box-free steel: who draws boxes leaves defects out, and a window is called good all the same.

A reading is of the window alone, without the picture around it and without what a model says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from linecore.errors import ConfigError
from linecore_models.csv_table import read_csv
from linecore_models.exhibits import Exhibits
from linecore_models.measurements import Proportion

DEFECT, GOOD, UNSURE = "defect", "good", "unsure"

KINDS = {(DEFECT, DEFECT): "a defect in both readings", (GOOD, GOOD): "good in both readings"}

OTHERWISE = "unsure, or not alike"


def read_readings(path: Path) -> Mapping[str, str]:
    """Return what was seen on each window, by its name, from a table with the columns window, first and second.

    Raises:
        ConfigError: it cannot be read, names a window twice, or a cell is none of defect, good and unsure.
    """
    kinds: dict[str, str] = {}
    for line, cells in read_csv(path, ("window", "first", "second")):
        pair = cells["first"], cells["second"]
        for one in pair:
            if one not in {DEFECT, GOOD, UNSURE}:
                raise ConfigError(f"{path}, line {line}: {one!r} is no reading; it takes {DEFECT}, {GOOD} or {UNSURE}")
        if cells["window"] in kinds:
            raise ConfigError(f"{path}, line {line}: {cells['window']} stands there twice")
        kinds[cells["window"]] = KINDS.get(pair, OTHERWISE)
    return kinds


def rejected_by_reading(exhibits: Exhibits, kinds: Mapping[str, str]) -> dict[str, Proportion]:
    """Return how many of the box-free windows are called a defect, by what was seen on them.

    Raises:
        ConfigError: a window was not read.
    """
    if exhibits.window_answers is None:
        return {}
    names = [window.name for window in exhibits.windows]
    if missing := [name for name in names if name not in kinds]:
        raise ConfigError(f"no reading of {missing[0]}, nor of {len(missing) - 1} more of {len(names)} windows")
    manifest = exhibits.manifest
    passes = np.array([label in manifest.pass_labels for label in manifest.labels])
    rejected = ~passes[exhibits.window_answers.scores.argmax(axis=1)]
    seen = np.array([kinds[name] for name in names])
    return {
        kind: Proportion.of(int(rejected[seen == kind].sum()), int((seen == kind).sum()))
        for kind in (*KINDS.values(), OTHERWISE)
        if kind in seen
    }
